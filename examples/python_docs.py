# The pyspider project that the demo runs: every page below @START@, its title and its size.
# pyspider runs it on the hosts, under Python 2.7.
from pyspider.libs.base_handler import BaseHandler, config

START = "@START@"


class Handler(BaseHandler):
    # A new itag makes pyspider fetch pages again that it has seen before; without the other two the site
    # would answer 304, and a page without content has no links.
    crawl_config = {"itag": "@RUN@", "etag": False, "last_modified": False}

    def on_start(self):
        self.crawl(START, callback=self.page)

    @config(age=10 * 24 * 60 * 60)
    def page(self, response):
        for link in response.doc("a[href]").items():
            url = link.attr.href.partition("#")[0]
            if url.startswith(START) and url.endswith(".html"):
                self.crawl(url, callback=self.page)
        return {"title": response.doc("title").text(), "characters": len(response.text)}
