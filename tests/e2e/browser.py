"""A headless browser that is let to one web UI and to nothing else, and keeps a record of what it asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Response, Route, ViewportSize, expect, sync_playwright

from fabfile.demo.webui import WebUIClient

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
SIZE = ViewportSize(width=1280, height=800)
# The crawl goes on behind the pages, and the web UI answers one request at a time.
ACTION_SECONDS = 60.0


@dataclass
class Visit:
    """A browser at the web UI, and what was seen since it started, in all its windows."""

    page: Page
    address: str
    foreign: set[str] = field(default_factory=set)
    """Whom else pages asked; nobody was reached."""
    faults: list[str] = field(default_factory=list)
    """Errors of scripts, and answers other than a success."""

    def open(self, path: str) -> None:
        """Show a page of the web UI, with everything that it loads."""
        self.page.goto(self.address + path, wait_until="load")

    def arrives(self, path: str) -> None:
        """Wait until a button has led to a page of the web UI, with everything that it loads.

        A click on a page whose scripts are still on their way is lost.
        """
        expect(self.page).to_have_url(self.address + path)
        self.page.wait_for_load_state("load")

    def guard(self, route: Route) -> None:
        """Let nothing through but what is the web UI's or no request at all."""
        asked = urlsplit(route.request.url)
        if asked.scheme in ("data", "blob", "about") or asked.netloc == urlsplit(self.address).netloc:
            route.continue_()
        else:
            self.foreign.add(asked.netloc)
            route.abort()

    def note(self, answer: Response) -> None:
        """Keep what was not answered well."""
        # Chromium looks for an icon by itself.
        if answer.status >= 400 and not answer.url.endswith("/favicon.ico"):
            self.faults.append(f"{answer.status} {answer.url}")


@contextmanager
def browser(webui: WebUIClient, another: str = "") -> Iterator[Visit]:
    """Chromium with the web UI's login; the password is in no command line and in no address.

    It finds `another` host as well, once a test has taken the route away.
    """
    # What Chromium asks for by itself takes no route of a page: it finds nobody else either.
    found = [host for host in (urlsplit(webui.address).hostname, another) if host]
    nobody = f"--host-resolver-rules=MAP * ~NOTFOUND, {', '.join(f'EXCLUDE {host}' for host in found)}"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, nobody])
        try:
            context = _context(chromium, webui)
            context.set_default_timeout(ACTION_SECONDS * 1000)
            expect.set_options(timeout=ACTION_SECONDS * 1000)
            visit = Visit(context.new_page(), webui.address)
            context.route("**/*", visit.guard)
            context.on("response", visit.note)
            context.on("weberror", lambda error: visit.faults.append(str(error.error)))
            yield visit
        finally:
            chromium.close()


def _context(chromium: Browser, webui: WebUIClient) -> BrowserContext:
    if not (webui.username and webui.password):
        return chromium.new_context(viewport=SIZE)
    login = {"username": webui.username, "password": webui.password.reveal(), "origin": webui.address}
    return chromium.new_context(viewport=SIZE, http_credentials=login)  # type: ignore[arg-type]  # its own TypedDict
