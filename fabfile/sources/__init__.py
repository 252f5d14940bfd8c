"""The files that the control machine fetches for the hosts: Python's source, pinned packages, phantomjs,
and the libraries of the web UI's pages.

Everything is verified by sha256 and kept in the project's cache under its hash. Nothing that was
fetched is executed here.
"""

from .downloads import phantomjs_binary, python_tarball
from .libraries import libraries_digest, webui_libraries
from .wheels import lock_digest, wheelhouse

__all__ = ["libraries_digest", "lock_digest", "phantomjs_binary", "python_tarball", "webui_libraries", "wheelhouse"]
