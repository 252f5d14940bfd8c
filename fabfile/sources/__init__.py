"""The files that the control machine fetches for the hosts: Python's source, pinned packages, phantomjs,
and the libraries of the web UI's pages; and the runtimes that hosts have built.

Everything is verified by sha256 and kept in the project's cache. Nothing that was fetched is executed here.
"""

from .downloads import phantomjs_binary, profiler_binary, python_tarball
from .libraries import libraries_digest, webui_libraries
from .runtimes import KeptRuntime, keep_runtime, kept_runtimes, packed_runtime, try_to_keep
from .wheels import lock_digest, wheelhouse

__all__ = [
    "KeptRuntime",
    "keep_runtime",
    "kept_runtimes",
    "libraries_digest",
    "lock_digest",
    "packed_runtime",
    "phantomjs_binary",
    "profiler_binary",
    "python_tarball",
    "try_to_keep",
    "webui_libraries",
    "wheelhouse",
]
