"""Random messages through both packers, under the hosts' Python 2.7: SCRIPT.py CONFIG.json RELEASE SEED COUNT."""

from __future__ import print_function, unicode_literals

import datetime
import json
import random
import re
import sys

RELEASE = sys.argv[2]
sys.path.insert(0, RELEASE)
sys.dont_write_bytecode = True
import umsgpack  # noqa: E402
from launcher import packing  # noqa: E402
from launcher.words import one_line  # noqa: E402

ODD = [
    datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=getattr(umsgpack, "_utc_tzinfo", None)),
    umsgpack.Ext(5, b"x"),
    2**64,
    -(2**63) - 1,
    object(),
    set([1]),
    "\ud800",
    {(1, 2): 3},
    b"\xff" * 70000,
    "\U0001f600" * 300,
]

EDGES = [None, True, False, 0, -1, 127, 128, -32, -33, 255, 65535, 65536, 2**32, 2**63, -(2**63)]
LETTERS = "a/?&=\u4e2d\xe9\U0001f600"
LENGTHS = [0, 3, 31, 32, 255, 256]


def value(chosen, depth=0):
    kind = chosen.randrange(11 if depth < 4 else 8)
    if kind == 0:
        return chosen.choice(EDGES)
    if kind == 1:
        return chosen.randrange(-(2 ** chosen.randrange(1, 63)), 2 ** chosen.randrange(1, 64))
    if kind == 2:
        return chosen.choice([0.0, -0.5, 1e300, float("inf"), chosen.random()])
    if kind in (3, 4):
        return "".join(chosen.choice(LETTERS) for _ in range(chosen.choice(LENGTHS)))
    if kind in (5, 6):
        return b"".join(chr(chosen.randrange(256)) for _ in range(chosen.choice(LENGTHS)))
    if kind == 7:
        return chosen.choice(ODD)
    if kind == 8:
        return [value(chosen, depth + 1) for _ in range(chosen.choice([0, 1, 15, 16]))]
    if kind == 9:
        return tuple(value(chosen, depth + 1) for _ in range(2))
    keys = [chosen.choice(["k%d" % n, b"k%d" % n, n]) for n in range(chosen.choice([0, 3, 16]))]
    return dict((key, value(chosen, depth + 1)) for key in keys)


def told(work, *words):
    """What came of it: with the types, which == does not tell apart."""
    try:
        return re.sub(" at 0x[0-9a-f]+", "", repr(work(*words)))
    except Exception as error:
        return type(error).__name__


def main():
    chosen, differs, refused = random.Random(int(sys.argv[3])), [], 0
    for _ in range(int(sys.argv[4])):
        message = value(chosen)
        plain, fast = told(umsgpack.packb, message), told(packing.pack, message)
        if plain != fast:
            differs.append(["pack", repr(message)[:200]])
        try:
            packed = umsgpack.packb(message)
        except Exception:
            refused += 1
            packed = b"\x81\xc1"
        for cut in (packed, packed[: len(packed) // 2]):
            if told(umsgpack.unpackb, cut) != told(packing.unpack, cut):
                differs.append(["unpack", repr(cut)[:200]])
    said = [one_line(Exception(words)) for words in ("\u4fdd\u5b58".encode("utf-8"), "\u4fdd\u5b58", b"\xff", "")]
    print(json.dumps({"said": said, "fast": packing.msgpack is not None, "differs": differs, "refused": refused}))


main()
