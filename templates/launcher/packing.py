"""Messages as pyspider packs them, by msgpack's C extension where the runtime has it: ten times as fast.

What that one refuses goes to umsgpack, pyspider's own, whose answer or error counts. It refuses less: a bytearray.
"""

from __future__ import absolute_import

import umsgpack

try:
    import msgpack
except ImportError:
    # A runtime that an older `fab bootstrap` built.
    msgpack = None

REFUSALS = (TypeError, ValueError, OverflowError)
"""All else is none of its errors: a signal that ends a script whose time is over."""
MOST_REFUSED = 100
"""Messages, after which this process reads by umsgpack alone: msgpack 0.6.2 keeps the part that it has read."""
refused = []


def pack(message):
    if msgpack is not None:
        try:
            return msgpack.packb(message, use_bin_type=True)
        except REFUSALS:
            pass
    return umsgpack.packb(message)


def unpack(packed):
    if msgpack is not None and len(refused) < MOST_REFUSED:
        try:
            return msgpack.unpackb(packed, raw=False, strict_map_key=False, ext_hook=extended)
        except REFUSALS:
            refused.append(None)
    return umsgpack.unpackb(packed)


def extended(kind, data):
    """What umsgpack makes of an extension: a date, an object of a class that a script has registered, or its own."""
    return umsgpack.unpackb(umsgpack.packb(umsgpack.Ext(kind, data)))
