"""What each page's script calls again and again, with the same answers in less time; a profile of a crawl named each.

Nothing but the time may differ from pyquery 1.4.1 and pyspider 0.3.10, which are pinned.
"""

from __future__ import absolute_import

MOST = 5000
"""Answers that are remembered of one function; then it begins anew."""
ABSOLUTE = (("a", "href"), ("link", "href"), ("script", "src"), ("img", "src"), ("iframe", "src"), ("form", "action"))
OTHER_SCHEMES = ("tel:", "callto:", "sms:")


def put_over():
    from pyquery import cssselectpatch, pyquery
    from pyspider.libs import base_handler, utils

    pyquery.FlexibleElement.__get__ = lambda flexible, instance, _: Flexible(flexible, instance, pyquery.no_default)
    pyquery.PyQuery.make_links_absolute = links(pyquery.urljoin)
    translator = cssselectpatch.JQueryTranslator
    translator.css_to_xpath = translated(translator, translator.css_to_xpath)
    base_handler._build_url = built(base_handler._build_url)
    base_handler.quote_chinese = quoted(base_handler.quote_chinese)
    utils.unicode_obj = in_unicode(utils.unicode_obj, utils.unicode_string)


class Flexible(object):
    """What doc.attr and doc.css are. pyquery makes a class for each use of one."""

    __slots__ = ("__flexible", "__instance", "__default")

    def __init__(self, flexible, instance, default):
        # An attribute that is set is one of the page's.
        put = super(Flexible, self).__setattr__
        put("_Flexible__flexible", flexible)
        put("_Flexible__instance", instance)
        put("_Flexible__default", default)

    def __call__(self, *args, **kwargs):
        return self.__flexible.pget(self.__instance, *args, **kwargs)

    __getattr__ = __getitem__ = __setattr__ = __setitem__ = __call__

    def __delitem__(self, name):
        if self.__flexible.pdel is self.__default:
            raise NotImplementedError()
        return self.__flexible.pdel(self.__instance, name)

    __delattr__ = __delitem__

    def __repr__(self):
        return "<flexible_element %s>" % self.__flexible.pget.__name__


def links(join):
    """pyquery makes two objects of its own for each link, and looks each other one up by a selector."""

    def make_links_absolute(self, base_url=None):
        if base_url is None:
            base_url = self.base_url
            if base_url is None:
                raise ValueError("You need a base URL to make your linksabsolute. It can be provided by the base_url parameter.")
        for tag, attribute in ABSOLUTE:
            for element in self(tag):
                value = element.get(attribute)
                if value is not None and not value.startswith(OTHER_SCHEMES):
                    element.set(attribute, join(base_url, value.strip()))
        return self

    return make_links_absolute


def remembered(answers, key, ask):
    try:
        return answers[key]
    except KeyError:
        if len(answers) >= MOST:
            answers.clear()
        answer = answers[key] = ask()
        return answer


def translated(known, translate):
    """A selector is translated once. A translator of another kind than pyquery's own may mean something else by it."""
    answers = {}

    def css_to_xpath(self, css, prefix="descendant-or-self::"):
        if type(self) is not known:
            return translate(self, css, prefix)
        kind = (self.xhtml, self.lower_case_element_names, self.lower_case_attribute_names)
        return remembered(answers, (kind, type(css), css, prefix), lambda: translate(self, css, prefix))

    return css_to_xpath


def built(build):
    """The links to the same pages come on many pages."""
    answers = {}

    def _build_url(url, params):
        if params or not isinstance(url, (str, type(u""))):
            return build(url, params)
        return remembered(answers, (type(url), url), lambda: build(url, params))

    return _build_url


def quoted(quote):
    def quote_chinese(url, encodeing="utf-8"):
        if type(url) is str:
            try:
                url.decode("ascii")
                return url
            except UnicodeDecodeError:
                pass
        return quote(url, encodeing)

    return quote_chinese


def in_unicode(plain, string):
    """pyspider asks each value for all of its kinds, in a function for each kind."""

    def unicode_obj(obj):
        kind = type(obj)
        if kind is type(u"") or obj is None or kind is int:
            return obj
        if kind is str:
            return string(obj)
        if kind is dict:
            return dict([(unicode_obj(key), unicode_obj(value)) for key, value in obj.items()])
        if kind is list or kind is tuple:
            return [unicode_obj(one) for one in obj]
        return plain(obj)

    return unicode_obj
