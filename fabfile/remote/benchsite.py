"""The site that a bench crawls: pages made when they are asked for, each like the last time. Any Python with tornado.

GET /p/CRAWL/PAGES/START/NUMBER is page NUMBER of so many, of which the first START are where the crawl begins.
"""

from __future__ import absolute_import, print_function

BRANCHES = 5
"""The pages below a page."""
LINKS = 100
"""The links on a page; all but those to the pages below lead to pages that the crawl knows."""
WORDS = 60
EMPTY = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def links(pages, start, number):
    """The pages to which one leads. Each page but the first ones is the child of one."""
    first = start + BRANCHES * number
    below = list(range(min(first, pages), min(first + BRANCHES, pages)))
    return below + [
        (number * 7919 + place * 104729) % pages_known(pages, start, number) for place in range(LINKS - len(below))
    ]


def pages_known(pages, start, number):
    """Pages below this number are known when the page is read."""
    return min(pages, max(start, number))


def prose(size):
    """Text as pages have it, the same in every run."""
    letters, seed, words = "abcdefghijklmnopqrstuvwxyz", 1, []
    for _ in range(500):
        word = ""
        seed = (seed * 1103515245 + 12345) % 2147483648
        for _ in range(2 + seed // 65536 % 8):
            seed = (seed * 1103515245 + 12345) % 2147483648
            word += letters[seed // 65536 % 26]
        words.append(word)
    parts, at = [], 0
    while at < size:
        seed = (seed * 1103515245 + 12345) % 2147483648
        chosen = [words[(seed // 65536 + step * 7) % len(words)] for step in range(WORDS)]
        parts.append("<p class='text'>%s</p>\n" % " ".join(chosen))
        at += len(parts[-1])
    return "".join(parts)[:size].rpartition("\n")[0]


def page(pages, start, number, filling, size):
    listed = "".join('<li><a href="%d">page %d</a></li>' % (one, one) for one in links(pages, start, number))
    head = "<html><head><title>%d</title></head><body><ul>%s</ul>" % (number, listed)
    rest = filling[: max(0, size - len(head) - 14)]
    return (head + rest.rpartition("\n")[0] + "</body></html>").encode("ascii")


def answer(path, filling, size):
    words = path.strip("/").split("/")
    if len(words) != 5 or words[0] != "p" or not all(word.isdigit() for word in words[2:]):
        return EMPTY
    pages, start, number = [int(word) for word in words[2:]]
    if not 0 < start <= pages or number >= pages:
        return EMPTY
    body = page(pages, start, number, filling, size)
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(body)
    return head.encode("ascii") + body


def site(options):
    """Serves at an address until it is ended."""
    from tornado import ioloop, tcpserver

    filling, size = prose(options["size"]), options["size"]

    class Server(tcpserver.TCPServer):
        """One client after the other is answered, each over a connection that stays open."""

        def handle_stream(self, stream, _address):
            def asked(head):
                words = head.split(b" ", 2)
                if len(words) < 3:
                    stream.close()
                    return
                stream.write(answer(words[1].decode("ascii", "replace"), filling, size))
                wait()

            def wait():
                if not stream.closed():
                    stream.read_until(b"\r\n\r\n", asked, max_bytes=16384)

            wait()

    server = Server()
    server.listen(options["port"], options["address"])
    try:
        ioloop.IOLoop.instance().start()
    except KeyboardInterrupt:
        return 0
    return 1
