"""Pages that are too large: a fetcher keeps each page in memory, and Redis takes no message of more than 512 MB."""

from __future__ import absolute_import

MEGABYTE = 1024 * 1024
LARGEST = 64 * MEGABYTE
"""Bytes of a page, after it was unpacked."""
LARGEST_MESSAGE = 256 * MEGABYTE
"""Bytes of a page and its task in a queue. What a renderer tells in 64 MB of JSON is less than half of it."""


def limited(client, most):
    """Lets tornado's client by curl end a request whose body is larger, with error 599 that says so.

    It counts what curl has unpacked: so neither a stream without Content-Length nor a small file that unpacks to a
    huge one takes more memory. One with Content-Length ends at its first bytes; the answer to HEAD has none.
    """
    set_up, finish = client._curl_setup_request, client._finish

    def set_up_with_limit(curl, request, body, headers):
        set_up(curl, request, body, headers)
        if request.streaming_callback:
            return

        def write(chunk):
            if max(body.tell() + len(chunk), told(headers)) > most:
                curl.info["too large"] = True
                # Less than there was: curl takes it for an error of a write.
                return 0
            body.write(chunk)

        curl.setopt(curl.WRITEFUNCTION, write)

    def finish_with_reason(curl, number=None, message=None):
        finish(curl, number, too_large("page", most) if number and curl.info.get("too large") else message)

    client._curl_setup_request, client._finish = set_up_with_limit, finish_with_reason


def told(headers):
    """The bytes that an answer says it has; 0 where it does not say so."""
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() else 0


def without_content(task, result, most=LARGEST_MESSAGE):
    """What stands for a page that is too large for a queue: one that has failed, as pyspider tells it."""
    error = "HTTP 599: %s" % too_large("page with its task", most)
    url, seconds, save = task.get("url", "data:,"), result.get("time", 0), (task.get("fetch") or {}).get("save")
    failed = {"status_code": 599, "error": error, "traceback": None, "content": "", "time": seconds, "save": save}
    return dict(failed, orig_url=url, url=result.get("url", url))


def too_large(what, most):
    return "%s of more than %g MB" % (what, most / float(MEGABYTE))
