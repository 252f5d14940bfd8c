"""The doors that no page gets to, for Chromium. Any Python from 2.7 on."""

import re

HERE = re.compile(r"(localhost|.*\.localhost|127\..*|0\.0\.0\.0|\[.*\])$")
THESE = ("localhost", "*.localhost", "127.*", "0.0.0.0", "[*]")
"""The same for Chromium: all by which this host names itself."""
PLACE = re.compile(r"http(s?)://(?:[^/?#]*@)?(\[[^\]]*\]|[^/?#:]*)(?::([0-9]*))?(?=[/?#]|$)", re.I)
MOST = 100000
"""Bytes of rules; the kernel takes 128 kB for a word of a command line."""


class Shut(object):
    """These ports of these hosts, and of this one."""

    def __init__(self, hosts, ports):
        self.hosts, self.ports = [host.lower() for host in hosts], ports

    def allows(self, url):
        """Whether a page may fetch this: by http and https alone, and at none of the doors.

        Chromium tells addresses as they are: 0x7f.1 is 127.0.0.1 by now.
        """
        found = PLACE.match(url)
        if not found:
            return False
        host = found.group(2).lower().rstrip(".")
        port = str(int(found.group(3) or (443 if found.group(1) else 80)))
        return port not in self.ports or not (HERE.match(host) or host in self.hosts)

    def rules(self):
        """The same as rules of Chromium's for all that it connects to, also for workers, windows and sockets."""
        found, size = [], 0
        for host in list(THESE) + self.hosts:
            for port in self.ports:
                found.append("MAP %s:%s ~NOTFOUND" % (host, port))
                size += len(found[-1]) + 2
                if size > MOST:
                    # Of so large a cluster the firewall knows the rest, and each page is asked by `allows`.
                    return ", ".join(found)
        return ", ".join(found)
