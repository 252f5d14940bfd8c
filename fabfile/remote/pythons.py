"""Modules of the standard library that Python 2 and Python 3 name differently."""

from __future__ import absolute_import, print_function

try:
    import httplib
    import xmlrpclib
    from urlparse import urlparse
except ImportError:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib
    from urllib.parse import urlparse

__all__ = ["httplib", "urlparse", "xmlrpclib"]
