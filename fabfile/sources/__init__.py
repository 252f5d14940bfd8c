"""What the control machine fetches for the hosts: Python's source, pinned packages, phantomjs.

Everything is verified by sha256 and kept in the project's cache under its hash. Nothing that was
fetched is executed here.
"""

from .downloads import phantomjs_binary, python_tarball
from .wheels import lock_digest, wheelhouse

__all__ = ["lock_digest", "phantomjs_binary", "python_tarball", "wheelhouse"]
