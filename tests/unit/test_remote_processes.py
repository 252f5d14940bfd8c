"""Which process is which pyspider component: a table of command lines."""

from __future__ import annotations

import pytest

from fabfile.remote.processes import Process


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (
            "/opt/pyspider/current/bin/python2.7 /srv/current/run.py -c c.json scheduler --xmlrpc-port 23333",
            "scheduler",
        ),
        ("python run.py -c config.json --queue-maxsize=100 fetcher", "fetcher"),
        ("/usr/bin/python /usr/bin/pyspider -c config.json result_worker", "result_worker"),
        ("/usr/bin/python /usr/bin/pyspider", "all"),
        ("/opt/pyspider/bin/phantomjs --disk-cache=true /x/phantomjs_fetcher.js 192.0.2.1:25555", "phantomjs"),
        ("tail -F /var/log/pyspider", None),
        ("python /x/renderer.py run /run/s /opt/bin/phantomjs /x/phantomjs_fetcher.js 192.0.2.1:25555", "phantomjs"),
        ("python /x/renderer.py run /run/s python /x/chromium_fetcher.py --lang=de 192.0.2.1:25555", "phantomjs"),
        ("/opt/bin/python /x/chromium_fetcher.py 192.0.2.1:25555", "phantomjs"),
        ("vim /x/chromium_fetcher.py", None),
        ("python /x/renderer.py serve /run/s work", None),
        ("python run.py", None),
        ("python run.py serve", None),
        ("vim run.py scheduler", None),
        ("su work -c python run.py -c config.json scheduler", None),
        ("", None),
    ],
)
def test_a_command_line_tells_the_component(words: str, role: str | None) -> None:
    process = Process.__new__(Process)
    process.words = words.split()
    assert process.role() == role
