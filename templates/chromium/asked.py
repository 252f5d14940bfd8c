"""What a task asks of a page (pyspider's words), in Chromium's words. Any Python from 2.7 on."""

import base64
import json

try:
    from urllib.parse import unquote, urlsplit
except ImportError:
    from urllib import unquote

    from urlparse import urlsplit

TIMEOUT = 20.0
"""Seconds for a page whose task names none."""
SIZE = {"width": 1024, "height": 768 * 3}
OWN = "accept-encoding connection content-length cookie host keep-alive transfer-encoding user-agent"
NEVER = frozenset(OWN.split())
"""Headers that are Chromium's own to set, or are set in another way."""
ABOUT = "content-type if-match if-modified-since if-none-match if-range if-unmodified-since range"
FIRST = frozenset(ABOUT.split())
"""Headers that are about the page itself, and about nothing that it loads."""
FORM = "application/x-www-form-urlencoded"
AT_START = """(function () {
  var name = %s, told = window[name], result = null;
  if (window !== top || !told) return;
  delete window[name];
  try { result = (%s)(); } finally { told(JSON.stringify({result: result === undefined ? null : result})); }
}());"""


class Asked(object):
    """A task's `fetch`. Raises ValueError or TypeError where it makes no sense."""

    def __init__(self, fetch):
        self.url, self.save = text(fetch["url"]), fetch.get("save")
        if not self.url.lower().startswith(("http://", "https://")):
            raise ValueError("only http and https are rendered")
        self.seconds = float(fetch.get("timeout") or TIMEOUT)
        self.method, self.data = text(fetch.get("method") or "GET").upper(), text(fetch.get("data"))
        self.headers = dict((text(name), text(value)) for name, value in (fetch.get("headers") or {}).items())
        self.script = text(fetch.get("js_script"))
        self.at_start = bool(self.script) and fetch.get("js_run_at") == "document-start"
        self.images = fetch.get("load_images") is not False
        self.size = dict((name, int(fetch.get("js_viewport_" + name) or usual)) for name, usual in SIZE.items())
        self.proxy = Proxy(text(fetch.get("proxy") or None))

    def settings(self, binding):
        """All that is set before the first request, in its order; `binding` is the name of a script's way out."""
        every = dict((name, value) for name, value in self.headers.items() if name.lower() not in NEVER | FIRST)
        yield "Network.enable", {}
        yield "Runtime.enable", {}
        yield "Fetch.enable", {"patterns": [{"urlPattern": "*"}], "handleAuthRequests": True}
        yield "Network.setExtraHTTPHeaders", {"headers": every}
        yield "Emulation.setDeviceMetricsOverride", dict(self.size, deviceScaleFactor=1, mobile=False)
        for name, value in self.named("user-agent"):
            yield "Emulation.setUserAgentOverride", {"userAgent": value}
        for name, value in self.cookies():
            # One that Chromium does not take is left out.
            yield "Network.setCookie", {"name": name, "value": value, "url": self.url}
        if self.at_start:
            yield "Runtime.addBinding", {"name": binding}
            source = AT_START % (json.dumps(binding), self.script)
            yield "Page.addScriptToEvaluateOnNewDocument", {"source": source}

    def named(self, *names):
        return [(name, value) for name, value in self.headers.items() if name.lower() in names]

    def cookies(self):
        pairs = [one.strip().partition("=")[::2] for _, value in self.named("cookie") for one in value.split(";")]
        return [(name, value) for name, value in pairs if name]

    def first_request(self, headers):
        """What is changed in the request for the page itself, which would go out with these headers."""
        own = dict(self.named(*FIRST))
        if self.method == "GET" and not own:
            return {}
        if self.data and not self.named("content-type"):
            own["Content-Type"] = FORM
        kept = dict((name, value) for name, value in headers.items() if name.lower() not in FIRST)
        pairs = sorted(dict(kept, **own).items())
        found = {"method": self.method, "headers": [{"name": name, "value": value} for name, value in pairs]}
        if self.data and self.method != "GET":
            found["postData"] = base64.b64encode(self.data.encode("utf-8")).decode("ascii")
        return found


class Proxy(object):
    """A page's own proxy, and the login that its address may hold."""

    def __init__(self, address):
        self.address, self.login = "", None
        if address:
            parts = urlsplit(address if "://" in address else "http://" + address)
            self.address = "%s://%s" % (parts.scheme, parts.netloc.rpartition("@")[2])
            if parts.username:
                self.login = unquote(parts.username), unquote(parts.password or "")

    def parameters(self):
        # This host's own addresses go through it as well, as with PhantomJS.
        return {"proxyServer": self.address, "proxyBypassList": "<-loopback>"} if self.address else {}


def text(value):
    return u"" if value is None else u"%s" % (value,)
