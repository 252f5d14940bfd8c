"""The questions to the web UI and the RPC servers."""

from __future__ import absolute_import, print_function

import json
import socket

from . import bounded, rpc, texts
from .pythons import httplib, xmlrpclib


def webui_answer(ask):
    """The queue sizes as the web UI tells them; the body is checked, since 200 alone proves nothing."""
    import base64

    connection = bounded.Connection(ask["host"], ask["port"], rpc.RPC_SECONDS)
    headers = {}
    if ask.get("username"):
        pair = "%s:%s" % (ask["username"], ask["password"])
        headers["Authorization"] = "Basic " + base64.b64encode(texts.told(pair).encode("utf-8")).decode("ascii")
    try:
        connection.request("GET", "/queues", headers=headers)
        response = connection.getresponse()
        body = response.read().decode("utf-8", "replace")
        if response.status != 200:
            return {"ok": False, "why": refusal(response)}
        queues = json.loads(body)
    except (socket.error, httplib.HTTPException) as error:
        return {"ok": False, "why": str(error) or type(error).__name__}
    except ValueError:
        return {"ok": False, "why": "its answer is not JSON"}
    if not isinstance(queues, dict) or "scheduler2fetcher" not in queues:
        return {"ok": False, "why": "its answer names no queues"}
    return {"ok": True}


def refusal(response):
    if response.status == 429:
        return "it can't be asked for %s s: wrong passwords came from this host" % response.getheader("Retry-After")
    return "HTTP status %d" % response.status


def asked(url, method, *words):
    """(answer, None) of an RPC server, or (None, why there is none): whatever listens there may answer anything."""
    server = xmlrpclib.ServerProxy(url, transport=bounded.Transport(rpc.RPC_SECONDS))
    try:
        return getattr(server, method)(*words), None
    except (socket.error, IOError, httplib.HTTPException, xmlrpclib.Error) as error:
        return None, str(error) or type(error).__name__
    except Exception as error:  # the parser's own, of the library below it
        return None, "its answer is no XML-RPC (%s)" % type(error).__name__


def projects(url):
    """The scheduler's counts of tasks by project, since its first start: pending, success, failed; empty if silent."""
    told, _ = asked(url, "counter", "all", "sum")
    return told if isinstance(told, dict) else {}


def rpc_answer(url):
    size, why = asked(url, "size")
    return {"ok": False, "why": why} if why else {"ok": isinstance(size, int), "size": size}
