"""A page for which a renderer has no turn twice, with pyspider's own client for HTTP.

Runs under the hosts' Python 2.7:  turns.py CONFIG.json RELEASE
"""

import json
import threading

import common  # noqa: F401
import tornado.httpclient
import tornado.ioloop
from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer
from launcher.fetching import PatientClient
from pyspider.fetcher.tornado_fetcher import MyCurlAsyncHTTPClient

NO_TURN = [503, 503, 200]


class Renderer(BaseHTTPRequestHandler):
    asked = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(json.loads(body)["url"])
        self.send_response(NO_TURN[len(self.asked) - 1])
        self.end_headers()
        self.wfile.write(b'{"status_code": 200}')

    def log_message(self, *_):
        pass


def main():
    server = HTTPServer(("127.0.0.1", 0), Renderer)
    thread = threading.Thread(target=server.serve_forever)
    thread.daemon = True
    thread.start()
    place, loop = "127.0.0.1:%d" % server.server_port, tornado.ioloop.IOLoop()
    client = PatientClient(MyCurlAsyncHTTPClient(max_clients=2, io_loop=loop), [place])
    request = tornado.httpclient.HTTPRequest(url=place, method="POST", body='{"url": "http://x.example/"}')
    answer = loop.run_sync(lambda: client.fetch(request))
    print(json.dumps({"asked": Renderer.asked, "answer": json.loads(answer.body), "open": client.pages[place]}))


main()
