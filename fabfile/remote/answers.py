"""The answers of RPC servers, phantomjs and sites. Any Python from 2.6 on."""

from __future__ import absolute_import, print_function

import socket

from . import bounded
from .pythons import httplib, urlparse, xmlrpclib
from .reach import SECONDS, way, why


def rpc(url):
    """The methods of the server at url: a scheduler knows `newtask`, a fetcher `fetch`.

    `kind` tells silence from a wrong answer.
    """
    parsed = urlparse(url)
    found = {"url": url.replace(parsed.netloc, parsed.netloc.rpartition("@")[2]), "methods": [], "error": None}
    try:
        if parsed.scheme != "http" or not parsed.hostname:
            raise ValueError("it does not begin with http://")
        connection = bounded.Connection(parsed.netloc.rpartition("@")[2], seconds=SECONDS)
        connection.request(
            "POST", parsed.path or "/RPC2", xmlrpclib.dumps((), "system.listMethods"), {"Content-Type": "text/xml"}
        )
        response = connection.getresponse()
        if response.status != 200:
            raise ValueError("HTTP status %d" % response.status)
        found["methods"] = [str(name) for name in xmlrpclib.loads(response.read())[0][0]]
    except socket.timeout as error:
        found.update(error=why(error), kind="silent")
    except (socket.error, IOError) as error:
        found.update(error=why(error), kind="refused")
    except Exception as error:
        found.update(error=why(error), kind="other")
    if found.get("kind") in ("silent", "refused"):
        found.update(way(parsed.hostname, parsed.port or 80))
    return found


def phantomjs(proxy):
    """A GET is answered with 403 by pyspider's phantomjs_fetcher.js."""
    where = (proxy.partition("://")[2] or proxy).rpartition("@")[2]
    try:
        connection = bounded.Connection(where.rstrip("/"), seconds=SECONDS)
        connection.request("GET", "/")
        return {"where": where, "status": connection.getresponse().status, "error": None}
    except (socket.error, IOError, httplib.HTTPException, ValueError) as error:
        host, _, port = where.rstrip("/").rpartition(":")
        seen = way(host, int(port)) if port.isdigit() else {}
        return dict(seen, where=where, status=None, error=why(error))


def phantomjs_of_all(places):
    """The answer of the first of them that has none, or else of the first."""
    found = [phantomjs(place) for place in sorted(set(places), key=places.index)]
    return next((one for one in found if one["error"]), found[0])


def site(where, proxy):
    """A TLS handshake by pycurl, set up as tornado does it for pyspider's fetcher; `code` is libcurl's, 0 is well."""
    import pycurl

    curl = pycurl.Curl()
    code, says = 0, None
    try:
        for option, value in as_tornado(where, proxy):
            curl.setopt(option, value)
        curl.perform()
    except pycurl.error as error:
        code, says = error.args[0], str(error.args[1])
    # libcurl gives up a slow lookup as a timeout; an address that it found is known here.
    found = {"code": code, "says": says, "named": curl.getinfo(pycurl.NAMELOOKUP_TIME) > 0, "proxy": bool(proxy)}
    curl.close()
    return found


def as_tornado(where, proxy):
    import pycurl

    options = [
        (pycurl.URL, "https://%s/" % where),
        (pycurl.CONNECT_ONLY, 1),
        (pycurl.NOSIGNAL, 1),
        (pycurl.CONNECTTIMEOUT, SECONDS),
        (pycurl.TIMEOUT, 2 * SECONDS),
        (pycurl.SSL_VERIFYPEER, 1),
        (pycurl.SSL_VERIFYHOST, 2),
        (pycurl.PROXY, ""),
    ]
    if proxy:
        parsed = urlparse(proxy if "://" in proxy else "http://" + proxy)
        options += [(pycurl.PROXY, str(parsed.hostname or "")), (pycurl.PROXYPORT, parsed.port or 8080)]
        if parsed.username:
            options.append((pycurl.PROXYUSERPWD, str("%s:%s" % (parsed.username, parsed.password or ""))))
    return options
