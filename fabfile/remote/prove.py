"""Runs under a Python 2.7 that was just made: imports all that pyspider needs, prints its findings as key=value lines.

Exit status 1 and a `fault=` line for each thing that is not as it must be. Sent by itself, as an argument.
"""

from __future__ import absolute_import, print_function

import sys


def attempt(name, look):
    try:
        print("%s=%s" % (name, look()))
        return True
    except Exception as error:
        print("fault=%s: %s: %s" % (name, type(error).__name__, str(error).replace("\n", " ")))
        return False


def ucs4():
    assert sys.maxunicode > 0xFFFF, "built with 2-byte unicode; the pinned wheels need 4"
    return "yes"


def module(name, attribute):
    def look():
        __import__(name)
        return getattr(sys.modules[name], attribute)

    return look


def openssl():
    import _hashlib
    import ssl

    assert _hashlib.openssl_md5(b"").hexdigest() == "d41d8cd98f00b204e9800998ecf8427e"
    assert _hashlib.openssl_sha256(b"").hexdigest().startswith("e3b0c44298fc1c14")
    assert ssl.HAS_SNI
    return ssl.OPENSSL_VERSION


def lxml():
    import lxml.etree

    return ".".join(str(part) for part in lxml.etree.LXML_VERSION[:3])


def pycurl():
    import pycurl

    return pycurl.version


def mysql():
    import mysql.connector

    # The C extension of this version refuses right passwords from threads.
    assert mysql.connector.HAVE_CEXT is False, "the C extension is there; it must be the pure wheel"
    return mysql.connector.__version__


def installed(name):
    def look():
        with open("%s/lib/python2.7/site-packages/%s" % (sys.prefix, name)) as stream:
            return stream.read().strip()

    return look


TRIALS = (
    ("python", lambda: ".".join(str(part) for part in sys.version_info[:3])),
    ("ucs4", ucs4),
    ("openssl", openssl),
    ("sqlite", module("sqlite3", "sqlite_version")),
    ("pycurl", pycurl),
    ("lxml", lxml),
    ("mysql", mysql),
    ("pyspider", module("pyspider", "__version__")),
    ("supervisor", installed("supervisor/version.txt")),
)


if __name__ == "__main__":
    results = [attempt(name, look) for name, look in TRIALS]
    sys.exit(0 if all(results) else 1)
