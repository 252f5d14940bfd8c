"""TLS to the stores, for which pyspider 0.3.10 has no option. Loaded by run.py, and by doctor. Any Python from 2.7 on.

tls.json beside config.json names the stores that are spoken to by TLS only, and how each proves who it is:
{"mysql": {"ca": [the lines of a PEM file]}, "redis": {"ca": null}}; null stands for the CAs that this host knows.
"""

import json
import os
import re
import socket

try:
    import ssl
except ImportError:
    ssl = None  # doctor names it; whoever wants TLS is told below

NOT_STRICT = ~0x20  # X509_V_FLAG_X509_STRICT: certificates that MySQL makes for itself are not
PARTIAL_CHAIN = 0x80000  # X509_V_FLAG_PARTIAL_CHAIN: a CA that is named need not be a root


def wanted(folder):
    """What tls.json says; nothing where there is none. Raises ValueError where it is broken."""
    path = os.path.join(folder, "tls.json")
    if not os.path.exists(path):
        return {}
    if not os.path.isfile(path):
        raise ValueError("tls.json is no regular file")
    with open(path) as stream:
        stores = json.load(stream)
    if not isinstance(stores, dict) or not all(isinstance(store, dict) and "ca" in store for store in stores.values()):
        raise ValueError("it names no stores with their CAs")
    return stores


def secured(connection, host, store):
    """The socket with TLS around it, if who answers there proves to be host. Raises ssl.SSLError, socket.error."""
    if ssl is None:
        connection.close()
        raise socket.error("this Python was built without ssl")
    lines = store["ca"]
    # Python 2.7 takes bytes for DER, and only unicode for PEM.
    context = ssl.create_default_context(cadata=u"\n".join(lines + [""]) if lines else None)
    context.verify_flags = context.verify_flags & NOT_STRICT | PARTIAL_CHAIN
    # Python 2.7 compares a certificate with names only, and in none with an address.
    numeric = re.match(r"\d+(\.\d+){3}$", host) is not None
    context.check_hostname = not numeric
    try:
        stream = context.wrap_socket(connection, server_hostname=None if numeric else host)
        if numeric:
            named(stream.getpeercert(), host)
        return stream
    except ssl.CertificateError as error:
        connection.close()
        raise ssl.SSLError("the certificate of %s: %s" % (host, error))
    except socket.error:  # ssl.SSLError is one
        connection.close()
        raise


def named(certificate, address):
    found = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "IP Address"]
    if address not in [value.strip() for value in found]:
        raise ssl.CertificateError("it is for the addresses %s" % (", ".join(found) or "none"))


def guard(store):
    """What makes a connection to a host a secured one; None where nothing is wanted."""
    return (lambda connection, host: secured(connection, host, store)) if store else None


def secure(stores):
    """From now on, who connects to one of these stores as pyspider does gets TLS or an error."""
    if "mysql" in stores:
        secure_mysql(stores["mysql"])
    if "redis" in stores:
        secure_redis(stores["redis"])


def secure_mysql(store):
    # mysql.connector 8.0.23 takes TLS where it is offered, and whatever certificate; its own check of the name leaves
    # addresses out on Python 2.7. With ssl_verify_cert it ends where none is offered.
    import mysql.connector
    from mysql.connector import errors, network

    def switch_to_ssl(self, *_):
        try:
            self.sock = secured(self.sock, self.server_host, store)
        except socket.error as error:
            raise errors.InterfaceError(msg="no TLS: %s" % error.args[-1], errno=2026)

    plain = mysql.connector.connect
    network.MySQLTCPSocket.switch_to_ssl = switch_to_ssl
    mysql.connector.connect = lambda *words, **options: plain(*words, **dict(options, ssl_verify_cert=True))


def secure_redis(store):
    # pyspider's queue makes its client by itself, without TLS; redis 3.5.3's own TLS leaves addresses out as well.
    import redis

    class Connection(redis.Connection):
        def _connect(self):
            return secured(super(Connection, self)._connect(), self.host, store)

    plain = redis.StrictRedis
    redis.StrictRedis = lambda **options: plain(connection_pool=redis.ConnectionPool(connection_class=Connection, **options))
