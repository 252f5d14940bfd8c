"""The refusals of SELinux that concern the cluster, from the audit log. Any Python from 2.6 on."""

from __future__ import absolute_import, print_function

import os
import re

LOG = "/var/log/audit/audit.log"
TAIL = 1 << 20
"""Bytes."""
SECONDS = 3600
"""An older refusal may have been mended since."""
MOST = 5
PROGRAMS = ("supervisord", "python2.7", "phantomjs", "chromium", "mysqld", "mariadbd", "redis-server", "valkey-server")
AVC = re.compile(r"^type=AVC msg=audit\((\d+)\.\d+:\d+\): avc:\s+denied\s+\{ ([^}]+) \} for (.*)$", re.MULTILINE)
WORD = re.compile(r'(\w+)=(?:"([^"]*)"|(\S+))')


def denials(places, now, log=LOG):
    """Sentences about what was refused lately to the cluster's programs, or below these paths; each once."""
    found = []
    for seconds, rights, rest in AVC.findall(tail(log)):
        words = dict((name, quoted or plain) for name, quoted, plain in WORD.findall(rest))
        path = words.get("path") or words.get("name") or "port " + (words.get("src") or words.get("dest") or "?")
        ours = words.get("comm") in PROGRAMS or any(path == one or path.startswith(one + "/") for one in places)
        if ours and now - int(seconds) < SECONDS and words.get("permissive") != "1":
            kinds = tuple(words.get(name, "::?").split(":")[2:3] or ["?"] for name in ("scontext", "tcontext"))
            told = "%s may not %s %s (%s on %s)"
            found.append(told % (words.get("comm", "?"), rights.strip(), path, kinds[0][0], kinds[1][0]))
    return sorted(set(found))[:MOST]


def tail(path):
    """The end of a file; nothing where there is none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL))
            return stream.read().decode("utf-8", "replace")
    except (IOError, OSError):
        return ""
