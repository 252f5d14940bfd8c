"""What quick.py puts over pyquery and pyspider, and what it was put over: the same answers, under Python 2.7.

SCRIPT.py CONFIG.json RELEASE SEED COUNT
"""

from __future__ import print_function, unicode_literals

import json
import random
import sys
from functools import partial

RELEASE = sys.argv[2]
sys.path.insert(0, str(RELEASE))
sys.dont_write_bytecode = True
import lxml.html  # noqa: E402
from launcher import quick  # noqa: E402
from pyquery import cssselectpatch, pyquery  # noqa: E402
from pyspider.libs import base_handler, utils  # noqa: E402

URLS = [
    "page/1",
    "/a b",
    "?q=1&amp;r=\u4e2d",
    "#top",
    "//other.example/x",
    "http://\u4e2d\u6587.example/\xe9",
    "http://[bad",
    "HTTP://Example.COM",
    "tel:1",
    "callto:x",
    "sms:2",
    "mailto:a@b",
    "javascript:void(0)",
    "  spaced  ",
    "",
    "http://x.example:80/a;p?q#f",
    "../../up",
    "http://a..b/",
]
SELECTORS = [
    "a",
    "a[href]",
    "A.x, div > p:first",
    "li:eq(1)",
    "p:contains('x')",
    "*:not(.a)",
    "a[@href^=http]",
    "tr:odd",
    "p::b",
    "[",
]
VALUES = [None, 1, 2**70, 1.5, True, "\u4e2d", b"\xff\xfe", b"abc", "[BASE64-DATA]"]
DIFFERS = []


def same(name, first, second, *words):
    """Notes where the two give another value, type or error."""
    one, other = told(first, *words), told(second, *words)
    if one != other:
        DIFFERS.append([name, repr(words)[:200], one[:200], other[:200]])


def told(work, *words):
    try:
        return repr(work(*words))
    except Exception as error:
        return repr((type(error).__name__, str(error)))


def page(chosen):
    def tag():
        name = chosen.choice(["a", "link", "script", "img", "iframe", "form", "p", "A"])
        attribute = chosen.choice(["href", "src", "action", "HREF"])
        url = chosen.choice(URLS) if chosen.random() < 0.97 else "http://[bad"
        if url == "http://[bad" and chosen.random() < 0.9:
            url = "x"
        return '<%s %s="%s" class="c">t</%s>' % (name, attribute, url, name)

    return "<html><body>%s</body></html>" % "".join(tag() for _ in range(chosen.randrange(12)))


def absolute(make, text, base):
    doc = pyquery.PyQuery(lxml.html.fromstring(text))
    try:
        answer = type(make(doc, base)).__name__
    except ValueError as error:
        answer = str(error)
    return answer, lxml.html.tostring(doc[0])


def attributes(get, text):
    """What scripts do with .attr, by one or the other of the two."""
    pyquery.FlexibleElement.__get__ = get
    doc = pyquery.PyQuery(lxml.html.fromstring(text))("a")
    told_of = [told(lambda: doc.attr.href), told(lambda: doc.attr["class"]), told(lambda: doc.attr("href"))]
    told_of += [told(lambda: doc.attr.flexible), told(lambda: doc.attr), told(lambda: doc.css)]
    doc.attr.title = "x"
    doc.attr["lang"] = "en"
    doc.attr(rel="nofollow", class_="d")
    doc.css("color", "red")
    del doc.attr["rel"]
    del doc.attr.lang
    told_of += [told(lambda: doc.css.__delitem__("color")), told(lambda: pyquery.PyQuery.attr.href)]
    return told_of + [lxml.html.tostring(one) for one in doc]


def value(chosen, depth=0):
    kind = chosen.randrange(6 if depth < 4 else 2)
    if kind < 2:
        return chosen.choice(VALUES)
    if kind < 4:
        keys = [chosen.choice(["k%d" % n, b"k%d" % n, n, None]) for n in range(4)]
        return dict((key, value(chosen, depth + 1)) for key in keys)
    parts = [value(chosen, depth + 1) for _ in range(3)]
    return parts if kind == 4 else tuple(parts)


def main():
    chosen, count = random.Random(int(sys.argv[3])), int(sys.argv[4])
    make = pyquery.PyQuery.make_links_absolute
    get = pyquery.FlexibleElement.__get__
    translate = cssselectpatch.JQueryTranslator.css_to_xpath
    build, quote, plain = base_handler._build_url, base_handler.quote_chinese, utils.unicode_obj
    quick.put_over()
    quickly = pyquery.FlexibleElement.__get__
    for _ in range(count):
        text, base = page(chosen), chosen.choice(["http://x.example/d/e?f", "", None, "http://\u4e2d.example/"])
        pyquery.FlexibleElement.__get__ = quickly
        same("links", partial(absolute, make), partial(absolute, pyquery.PyQuery.make_links_absolute), text, base)
        same("attr", partial(attributes, get), partial(attributes, quickly), text)
        url = chosen.choice(["", "http://x.example/"]) + chosen.choice(URLS) + chosen.choice(["", "/\u4e2d"])
        url = url.encode("utf-8") if chosen.random() < 0.3 else url
        params = chosen.choice([None, None, {}, {"a": "\u4e2d"}])
        same("build", build, base_handler._build_url, url, params)
        same("quote", quote, base_handler.quote_chinese, url)
        thing = value(chosen)
        same("unicode", plain, utils.unicode_obj, thing)
        for xhtml in (False, True):
            selector = chosen.choice(SELECTORS)
            translator = cssselectpatch.JQueryTranslator(xhtml=xhtml)
            same("selector", partial(translate, translator), translator.css_to_xpath, selector)
    print(json.dumps({"differs": DIFFERS[:20]}))


main()
