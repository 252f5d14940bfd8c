"""The releases of a host, as its user reads them. config.json holds passwords: it is left out."""

from __future__ import absolute_import, print_function

import hashlib
import os
import re
import stat

from . import files

MANY = 10
"""More than a deploy leaves: five of the newest, and five that ran one after the other."""
SECRET = "config.json"
MOST = 64 * 1024
"""Bytes of a file that can be compared."""
NAME = re.compile(r"[0-9a-f]+$")
RUNTIMES = "/opt/pyspider"
NOTES = (".at", ".before", ".deploy", ".runtime")
"""The files that a deploy puts beside a release: when it was by the control machine's clock, what was current until
then, which deploy it was, and the Python."""


def releases(options):
    """{current, releases: the newest first, texts by their digests, runtimes, runtime: the one in use}."""
    top = os.path.join(options["home"], "releases")
    texts = {}
    current = os.path.basename(files.link(os.path.join(options["home"], "current")) or "")
    found = [seen(top, name, texts) for name in listed(top) if NAME.match(name)]
    found = sorted((one for one in found if one), key=lambda one: (one["deployed"], one["id"]), reverse=True)
    return {
        "current": current or None,
        "releases": found[:MANY] + [one for one in found[MANY:] if one["id"] == current],
        "texts": texts,
        "runtime": files.link(RUNTIMES + "/current"),
        "runtimes": [
            "runtimes/" + name
            for name in listed(RUNTIMES + "/runtimes")
            if os.path.exists("%s/runtimes/%s/.complete" % (RUNTIMES, name))
        ],
    }


def seen(top, name, texts):
    folder = os.path.join(top, name)
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode):
        return None
    digests = {}
    for path in sorted(below(folder)):
        text = files.read(os.path.join(folder, path), most=MOST)
        digest = hashlib.sha256(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
        digests[path] = digest.hexdigest()
        texts[digest.hexdigest()] = text
    notes = dict((note, texts.get(digests.pop(note, None), "").strip()) for note in NOTES)
    before = os.path.basename(notes[".before"])
    # One clock for all hosts. Releases of earlier versions have no such note.
    at = int(notes[".at"]) if re.match("[0-9]{1,12}$", notes[".at"]) else int(status.st_mtime)
    about = {"id": name, "deployed": at, "deploy": notes[".deploy"], "runtime": notes[".runtime"]}
    return dict(about, before=before, files=digests)


def below(folder):
    """The paths of a release's files but the secret one; no link is followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(place, name), folder)
            if path != SECRET and not path.endswith((".pyc", ".pyo")):
                yield path


def listed(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
