"""The interpreters that run pyspider: their modules and the versions of their packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..answers import Asked, Interpreter
from ..findings import ENDS, Check, Hit, Patient, View

BOOTSTRAP = "fab -H {host} bootstrap, then fab -H {host} deploy --reload"
REBUILD = (
    "fab -H {host} run 'rm /opt/pyspider/current', then fab -H {host} bootstrap, then fab -H {host} deploy --reload"
)

BEARABLE = "'click<7' 'tornado<5' 'Werkzeug<1' 'WsgiDAV<3' 'pyquery<1.4.2'"
BREAKS = (
    ("click", (7,), "the command result_worker becomes result-worker, and its section in config.json is ignored"),
    ("tornado", (5,), "the fetcher ends: no current event loop in thread"),
    ("werkzeug", (1,), "the web UI ends: cannot import name DispatcherMiddleware"),
    ("wsgidav", (3,), "the web UI ends: Invalid configuration: Deprecated option 'domaincontroller'"),
    ("pyquery", (1, 4, 2), "the processor ends: SyntaxError, or No module named parse"),
)
"""Package, the first version that breaks pyspider 0.3.10 on Python 2.7, and the damage."""


def _interpreters(view: View) -> Iterator[tuple[Patient, Asked, Interpreter]]:
    """Each interpreter of each host once."""
    for host in view.seen:
        seen = set()
        for asked in host.asked:
            if asked.interpreter and asked.python not in seen:
                seen.add(asked.python)
                yield host, asked, asked.interpreter


def _hit(host: Patient, asked: Asked, text: str) -> Hit:
    return Hit(host.name, f"{asked.python}{text}", items=(asked.python,))


def broken(view: View) -> Iterator[Hit]:
    for host in view.seen:
        for asked in host.asked:
            if asked.broken is not None:
                yield Hit(
                    host.name,
                    f"{asked.python}: {asked.broken.splitlines()[-1] if asked.broken else 'it says nothing'}",
                )
                break


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: 7.43.0.5 and 3.0b1 alike."""
    found = []
    for part in version.split("."):
        digits = part[: next((i for i, sign in enumerate(part) if not sign.isdigit()), len(part))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


def misfits(view: View) -> Iterator[Hit]:
    for host, asked, inside in _interpreters(view):
        for package, first, breaks in BREAKS:
            version = inside.versions.get(package)
            if version and inside.version[:1] == (2,) and numbers(version) >= first:
                yield _hit(host, asked, f" has {package} {version}: {breaks}")


def cext(view: View) -> Iterator[Hit]:
    for host, asked, inside in _interpreters(view):
        if inside.cext:
            version = inside.versions.get("mysql-connector-python", "of an unknown version")
            yield _hit(host, asked, f" has mysql-connector-python {version} with its C extension (HAVE_CEXT is True)")


def _lacks(module: str) -> Callable[[View], Iterable[Hit]]:
    def find(view: View) -> Iterator[Hit]:
        for host, asked, inside in _interpreters(view):
            if reason := inside.modules.get(module):
                yield _hit(host, asked, f": {reason}")

    return find


def pycurl(view: View) -> Iterator[Hit]:
    for host, asked, inside in _interpreters(view):
        if reason := inside.modules.get("pycurl"):
            yield _hit(host, asked, f": {reason}")
        elif not inside.curl_https:
            yield _hit(host, asked, f": {inside.curl} has no https")


CHECKS = (
    Check(
        id="interpreter",
        title="programs end at once: can't load library, No such file or directory",
        cause="the interpreter that a program names is not there or does not start",
        fix=BOOTSTRAP,
        foreign_fix="let the section name a Python 2.7 that starts, then on {host} as root: {ctl} reread; {ctl} update",
        find=broken,
        hides=ENDS | {"fatal-after-outage"},
    ),
    Check(
        id="pins",
        title="SyntaxError; Invalid configuration; cannot import name DispatcherMiddleware; no current event loop in "
        "thread",
        cause="a package is newer than pyspider 0.3.10 can bear; pyspider itself names no upper versions",
        fix=REBUILD,
        find=misfits,
        foreign_fix=f"on {{host}} as root: {{items}} -m pip install {BEARABLE}; {{ctl}} restart all",
        hides=ENDS | {"no-pyspider"},
    ),
    Check(
        id="mysql-cext",
        title="1045 (28000): Access denied, now and then, though the password is right; the scheduler crawls nothing",
        cause="mysql.connector's C extension refuses right passwords when threads use it; the pure Python wheel does "
        "not",
        fix=REBUILD,
        find=cext,
        foreign_fix="on {host} as root: wheel=$(mktemp -d); {items} -m pip download -d $wheel --no-deps --platform any "
        "--implementation py --abi none --only-binary=:all: mysql-connector-python==8.0.23 && {items} -m pip install "
        "--no-deps --force-reinstall $wheel/*.whl; rm -r $wheel; {ctl} restart all",
        hides=frozenset({"mysql-denied"}),
    ),
    Check(
        id="pycurl-ssl",
        title="599 on https pages; libcurl link-time ssl backend is different from compile-time ssl backend",
        cause="pycurl can't be imported, or its libcurl has no TLS",
        fix=REBUILD,
        find=pycurl,
        foreign_fix="install libcurl's headers, then on {host} as root: PYCURL_SSL_LIBRARY=openssl {items} -m pip "
        "install --force-reinstall --no-binary :all: pycurl; {ctl} restart all",
        hides=ENDS | {"no-pyspider"},
    ),
    Check(
        id="no-ssl",
        title="ImportError: No module named _ssl; 599 on https pages; pip can't install anything",
        cause="Python was built on a host without OpenSSL's headers",
        fix=REBUILD,
        find=_lacks("ssl"),
        foreign_fix="install openssl-devel or libssl-dev, build Python again, then on {host} as root: {ctl} restart "
        "all",
        hides=ENDS | {"no-pyspider", "pycurl-ssl", "no-hashlib"},
    ),
    Check(
        id="no-hashlib",
        title="ImportError: No module named _hashlib; unsupported hash type md5",
        cause="Python was built without OpenSSL's hashes: with OpenSSL 3, Python 2.7's setup.py leaves them out",
        fix=REBUILD,
        find=_lacks("_hashlib"),
        foreign_fix="build Python again, with OpenSSL's headers, then on {host} as root: {ctl} restart all",
        hides=ENDS | {"no-pyspider"},
    ),
    Check(
        id="no-pyspider",
        title="ImportError: No module named pyspider",
        cause="the interpreter that the programs run on has no pyspider, or one that can't be imported",
        fix=REBUILD,
        find=_lacks("pyspider"),
        foreign_fix="on {host} as root: {items} -m pip install --force-reinstall --no-deps pyspider==0.3.10; {items} "
        f"-m pip install pyspider==0.3.10 {BEARABLE}; {{ctl}} restart all",
        hides=ENDS,
    ),
)
