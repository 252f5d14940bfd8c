"""Text of any bytes: names of files and programs, which need not be UTF-8, nor need the locale be. From Python 2.6 on.

In Python 2 such text is bytes, as the system gives and takes it; in Python 3 it is str with surrogates.
"""

from __future__ import absolute_import, print_function

import sys

OLD = sys.version_info < (3,)


def text(data):
    """Bytes as the text of this Python."""
    return data if OLD else data.decode("utf-8", "surrogateescape")


def native(value):
    """A value of JSON with the text of this Python."""
    if isinstance(value, dict):
        return dict((native(key), native(one)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return [native(one) for one in value]
    return value.encode("utf-8") if OLD and hasattr(value, "encode") and not isinstance(value, str) else value


def told(value):
    """The same value for JSON: each byte that is not UTF-8 is a mark."""
    if isinstance(value, dict):
        return dict((told(key), told(one)) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return [told(one) for one in value]
    if not isinstance(value, str):
        return value
    try:
        return (value if OLD else value.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode("utf-8")  # surrogates that stand for no byte
