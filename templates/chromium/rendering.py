"""One page in Chromium, from its request to its answer, as pyspider's phantomjs_fetcher.js has both."""

import binascii
import json
import os

try:
    import queue
except ImportError:
    import Queue as queue

from devtools import Refused, result_of, say

QUIET = 1.0
"""Seconds without a request after which a page is done."""
PAGELESS = (204, 205, 304)
"""Answers that stand for no page: Chromium tells of them as of an error."""
LAST = 5.0
"""Seconds in which a page has to tell what it has become."""


class Late(Exception):
    """The page has had its time."""


def clock():
    """Seconds that no setting of the clock changes."""
    return os.times()[4]


class Page(object):
    """What is `asked` for; nothing behind what is `shut`."""

    def __init__(self, browser, asked, shut):
        self.browser, self.asked, self.shut = browser, asked, shut
        self.began = self.last = clock()
        self.limit = self.began + asked.seconds
        self.heard = queue.Queue()
        self.context = self.session = self.target = self.navigation = None
        self.first = self.error = self.request = self.told = None
        # Whether the first request is under way, and whether Chromium shows an error of its own in place of the page.
        self.sent = self.failed = False
        self.loaded, self.open = False, set()
        self.script, self.at_start, self.login = asked.script, asked.at_start, asked.proxy.login
        self.script_number = self.script_result = None
        self.binding = "b" + binascii.hexlify(os.urandom(8)).decode("ascii")

    def rendered(self):
        """The answer, in pyspider's words; with the status 599 where there is no page."""
        self.browser.open.add(self.heard)
        try:
            self.prepare()
            self.navigation = self.send("Page.navigate", {"url": self.asked.url})
            while not self.settled():
                self.next()
            self.limit = clock() + LAST
            return self.result()
        except Refused as error:
            return self.answer(error="%s" % error)
        except Late:
            return self.answer(error=self.error or "the page gives no answer: a script may hang")
        finally:
            self.close()
            self.browser.open.discard(self.heard)

    def send(self, method, parameters):
        return self.browser.send(method, parameters, self.session, self.heard)

    def call(self, method, **parameters):
        number = self.send(method, parameters)
        while clock() < self.limit:
            message = self.next()
            if message and message.get("id") == number:
                return result_of(message)
        raise Late()

    def call_of_all(self, method, **parameters):
        """A call to Chromium as a whole, and not to the page."""
        session, self.session = self.session, None
        try:
            return self.call(method, **parameters)
        finally:
            self.session = session

    def next(self):
        """One thing that Chromium says, after what follows from it; None now and then, where it says nothing."""
        message = self.heard.get()
        if message and "method" in message:
            getattr(self, message["method"].replace(".", "_"), lambda **_: None)(**message["params"])
        elif message and message["id"] == self.navigation:
            self.error = message.get("error", {}).get("message") or message.get("result", {}).get("errorText")
        elif message and message["id"] == self.script_number:
            self.script_number, self.last = None, clock()
            self.script_result = value_of(message)
        return message

    def settled(self):
        """Whether it is time to take the page as it is."""
        now = clock()
        if now > self.limit or (self.error and self.told and self.told["status"] in PAGELESS):
            return True
        busy = self.open or self.script_number or not (self.loaded or self.error)
        return not busy and now > self.last + QUIET

    def prepare(self):
        self.context = self.call("Target.createBrowserContext", **self.asked.proxy.parameters())["browserContextId"]
        self.call("Browser.setDownloadBehavior", behavior="deny", browserContextId=self.context)
        found = self.call("Target.createTarget", url="about:blank", browserContextId=self.context)
        self.target = found["targetId"]
        session = self.call("Target.attachToTarget", targetId=self.target, flatten=True)["sessionId"]
        self.browser.sessions[session] = self.heard
        self.session = session
        for method, parameters in self.asked.settings(self.binding):
            self.send(method, parameters)
        self.call("Page.enable")

    # What Chromium tells meanwhile, by the names that it has there.

    def Fetch_requestPaused(self, requestId, request, resourceType, **_):
        unwanted = resourceType == "Image" and not self.asked.images
        if unwanted or not self.shut.allows(request["url"]):
            if not unwanted:
                say("refused: %s" % request["url"][:200])
            self.send("Fetch.failRequest", {"requestId": requestId, "errorReason": "BlockedByClient"})
            return
        changed = {} if self.sent else self.asked.first_request(request["headers"])
        self.sent = True
        self.send("Fetch.continueRequest", dict(changed, requestId=requestId))

    def Fetch_authRequired(self, requestId, authChallenge, **_):
        answer = {"response": "CancelAuth"}
        if authChallenge.get("source") == "Proxy" and self.login:
            # Once: a login that was refused is refused again.
            (name, password), self.login = self.login, None
            answer = {"response": "ProvideCredentials", "username": name, "password": password}
        self.send("Fetch.continueWithAuth", {"requestId": requestId, "authChallengeResponse": answer})

    def Network_requestWillBeSent(self, requestId, frameId=None, type=None, **_):
        self.open.add(requestId)
        self.last = clock()
        if type == "Document" and frameId == self.target:
            self.loaded, self.request = False, requestId

    def Network_responseReceived(self, requestId, type, response, frameId=None, **_):
        self.Network_loadingFinished(requestId)
        if self.first is None and type == "Document" and frameId == self.target:
            self.first = response

    def Network_responseReceivedExtraInfo(self, requestId, statusCode, headers, **_):
        # Of an answer without a page nothing else is told.
        if requestId == self.request:
            self.told = {"status": statusCode, "headers": headers}

    def Network_loadingFinished(self, requestId, **_):
        self.open.discard(requestId)
        self.last = clock()

    def Network_loadingFailed(self, requestId, type, **_):
        self.Network_loadingFinished(requestId)
        if type == "Document" and self.first:
            # A page that leads to no other one after all: to a file to be saved, or a door that is shut.
            self.loaded = True

    def Page_frameNavigated(self, frame, **_):
        if not frame.get("parentId"):
            self.failed = bool(frame.get("unreachableUrl"))

    def Page_loadEventFired(self, **_):
        if not self.sent:
            return
        self.loaded, self.last = True, clock()
        if self.script and not self.at_start:
            script, self.script = self.script, ""
            code = {"expression": "(%s)()" % script, "returnByValue": True, "awaitPromise": True}
            self.script_number = self.send("Runtime.evaluate", code)

    def Page_javascriptDialogOpening(self, type, **_):
        # A page that is left is left.
        self.send("Page.handleJavaScriptDialog", {"accept": type == "beforeunload"})

    def Runtime_bindingCalled(self, name, payload, **_):
        if self.at_start and name == self.binding:
            self.at_start, self.script = False, ""
            # A page that follows has no such function, and so runs no script.
            self.send("Runtime.removeBinding", {"name": name})
            self.script_result = json.loads(payload).get("result")

    def Inspector_targetCrashed(self, **_):
        raise Refused("the page's process has ended: it may have wanted too much memory")

    # After the last one.

    def result(self):
        if self.first is None and self.told and self.error:
            return self.answer(status_code=self.told["status"], headers=self.told["headers"])
        if self.first is None:
            return self.answer(error=self.error or "Timeout before first response.")
        url = self.call_of_all("Target.getTargetInfo", targetId=self.target)["targetInfo"]["url"]
        content = ""
        if not self.failed:
            root = self.call("DOM.getDocument", depth=0)["root"]["nodeId"]
            content = self.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
        cookies = self.call("Network.getCookies", urls=[url])["cookies"]
        return self.answer(
            status_code=self.first["status"] or 599,
            content=content,
            headers=self.first["headers"],
            url=url,
            cookies=dict((one["name"], one["value"]) for one in cookies),
        )

    def answer(self, **found):
        plain = nothing(self.asked.url, self.asked.save)
        plain.update(time=clock() - self.began, js_script_result=self.script_result)
        return dict(plain, **found)

    def close(self):
        self.browser.sessions.pop(self.session, None)
        self.session, self.limit = None, clock() + LAST
        try:
            if self.context:
                self.call("Target.disposeBrowserContext", browserContextId=self.context)
        except (Refused, Late) as error:
            say("a page can't be closed: %s" % (error or "no answer"))


def nothing(url, save=None):
    """The answer where there is no page."""
    return {
        "orig_url": url, "url": url, "status_code": 599, "error": None, "content": "", "headers": {}, "cookies": {},
        "time": 0, "js_script_result": None, "save": save,
    }  # fmt: skip


def value_of(message):
    """What a script has returned; None where it has failed, or the page went on without it."""
    result = message.get("result", {})
    if "exceptionDetails" in result:
        details = result["exceptionDetails"]
        say("js_script: %s" % (details.get("exception", {}).get("description") or details.get("text")))
        return None
    return result.get("result", {}).get("value")
