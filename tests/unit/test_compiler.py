"""A compiler that takes C23 for granted is told another standard; any other one is left as it is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fabfile.steps.runtime_spec import remote

C23 = 'case " $* " in *" -std=gnu17 "*) ;; *) grep -q "{ false" && exit 1 ;; esac; cat >/dev/null; exit 0'
OLDER = "cat >/dev/null; exit 0"
ANCIENT = 'case " $* " in *" -std="*) exit 1 ;; esac; cat >/dev/null; exit 0'
BROKEN = "cat >/dev/null; exit 1"
SOURCE = """\
typedef enum {false, true} bool;
typedef int *asdl_int_seq;
bool known(asdl_int_seq *seq) { return seq ? true : false; }
"""
"""As Include/asdl.h of Python 2.7 has it."""


def compilers(folder: Path, **scripts: str) -> str:
    """A PATH on which these are the only compilers."""
    for tool in ("grep", "cat"):
        found = shutil.which(tool)
        assert found
        (folder / tool).symlink_to(found)
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return str(folder)


def chosen(path: str, script: str = 'echo "${CC-none}"', **more: str) -> str:
    words = ["/bin/dash", "-euc", remote("compiler.sh") + script]
    return subprocess.run(words, capture_output=True, text=True, check=True, env={"PATH": path, **more}).stdout.strip()


@pytest.mark.parametrize(
    ("scripts", "wanted"),
    [
        ({"gcc": C23}, "gcc -std=gnu17"),
        ({"cc": C23}, "cc -std=gnu17"),
        ({"gcc": OLDER, "cc": C23}, "none"),
        ({"gcc": ANCIENT}, "none"),
        ({"gcc": BROKEN}, "none"),
        ({}, "none"),
    ],
)
def test_the_standard_is_named_only_where_it_has_to_be(tmp_path: Path, scripts: dict[str, str], wanted: str) -> None:
    assert chosen(compilers(tmp_path, **scripts)) == wanted


def test_a_compiler_that_the_operator_chose_stays(tmp_path: Path) -> None:
    assert chosen(compilers(tmp_path, gcc=C23), CC="clang") == "clang"


CURL = """\
case $1 in
  --libs) echo "{libs}" ;;
  --static-libs) {static} ;;
  --configure) echo "'--disable-static' {configure}" ;;
esac"""
NO_STATIC = "echo curl was built with static libraries disabled >&2; exit 1"


@pytest.mark.parametrize(
    ("libs", "static", "configure", "wanted"),
    [
        ("-lcurl", "echo /usr/lib/libcurl.a -lnghttp2 -lssl -lcrypto -lz", "'--with-openssl'", "none"),
        ("-lcurl", "echo /usr/lib/libcurl.a -lssl", "'--with-openssl'", "none"),
        ("-L/usr/lib64 -lcurl -lssl -lcrypto", NO_STATIC, "", "none"),
        ("-lcurl", NO_STATIC, "'--without-nss' '--with-ssl=/usr'", "openssl"),
        ("-lcurl", NO_STATIC, "'--with-openssl' '--with-libssh'", "openssl"),
        ("-lcurl", NO_STATIC, "'--without-ssl' '--with-nss'", "nss"),
    ],
    ids=["Debian", "last", "Gentoo", "RHEL 8", "Fedora", "CentOS 7"],
)
def test_pycurl_is_told_the_tls_library_where_it_can_not_find_it(
    tmp_path: Path, libs: str, static: str, configure: str, wanted: str
) -> None:
    path = compilers(tmp_path, **{"curl-config": CURL.format(libs=libs, static=static, configure=configure)})
    asked = 'echo "${PYCURL_SSL_LIBRARY-none}"; export -p | grep -c PYCURL_SSL || :'
    exported = "0" if wanted == "none" else "1"
    assert chosen(path, asked).split() == [wanted, exported]
    assert chosen(path, asked, PYCURL_SSL_LIBRARY="gnutls").split() == ["gnutls", "1"]


def test_without_curl_nothing_is_told_to_pycurl(tmp_path: Path) -> None:
    assert chosen(compilers(tmp_path), 'echo "${PYCURL_SSL_LIBRARY-none}"') == "none"


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc here")
def test_a_source_of_python_compiles_by_a_compiler_of_c23(tmp_path: Path) -> None:
    # GCC knows the keyword since 13, under this name; the macro stands for it where an older one is at hand.
    gcc = str(shutil.which("gcc"))
    words = [gcc, "-std=gnu23", "-x", "c", "-c", "-o", "/dev/null", "/dev/null"]
    known = subprocess.run(words, capture_output=True, check=False)
    newer = "-std=gnu23" if known.returncode == 0 else "-Dfalse=0"
    wrapper = f'case " $* " in *" -std=gnu17 "*) exec {gcc} "$@" ;; *) exec {gcc} {newer} "$@" ;; esac'
    (tmp_path / "one.c").write_text(SOURCE)
    path = f"{compilers(tmp_path, gcc=wrapper)}:/usr/bin:/bin"
    compile_it = f"${{CC-gcc}} -c -o {tmp_path}/one.o {tmp_path}/one.c && echo well"
    assert chosen(path, compile_it) == "well"
    with pytest.raises(subprocess.CalledProcessError):
        chosen(path, compile_it, CC="gcc")
