"""The words by which the control machine gives its orders: `python THE.zip WORD OPTIONS`.

OPTIONS are JSON, or the path of a file that holds it. A word that only looks prints one JSON object; a word that
changes something prints its failures, and ends with exit status 1 then.

    look      supervisord and its programs; with the option preflight, the facts for a deploy too
    stay      the same, and what gives it stays as long as its channel: further looks are asked of it
    doctor    raw facts for `fab doctor`
    ask       an interpreter of pyspider: its packages, and the answers that it gets
    releases  as the cluster's user: the releases that are there, without passwords
    logins    whether the stores let in a program with this configuration
    owners    whose `paths` are
    logs      the records of the programs' logs; prints many objects, one a line
    apply     brings the named programs to their sections
    stop      stops the named programs, and waits until they have ended
    purpose   has the programs `stop` stay down whatever comes, and `start` no more
    reload    supervisorctl reload, then waits for the named programs
    start     starts supervisord; the one before runs again where it does not come up
    watch     starts supervisord again whenever one has died, until it is told to end
    guard     puts the watcher there and starts it, in the place of an older one
    unguard   ends the watcher and takes its files away
    clear     removes the socket, if nothing answers on it at this very moment
    end       ends the given processes
    take      as the cluster's user: puts a file of its own in the place of each of `paths`
    give      gives `paths` to `user`
    keep      becomes the keeper of a bench's programs
    site      as the cluster's user: serves the pages that a bench crawls
"""

from __future__ import absolute_import, print_function

import json

from . import files, texts

MODULES = {
    "look": "look",
    "stay": "stay",
    "doctor": "doctor",
    "ask": "ask",
    "logins": "logins",
    "releases": "releases",
    "owners": "ownership",
    "logs": "logbook",
    "apply": "programs",
    "stop": "programs",
    "purpose": "purpose",
    "reload": "programs",
    "start": "start",
    "watch": "watch",
    "guard": "watch",
    "unguard": "watch",
    "clear": "leftovers",
    "end": "leftovers",
    "take": "ownership",
    "give": "ownership",
    "keep": "keeper",
    "site": "benchsite",
}
"""The module and function of each word: a word loads its own, and no more."""


def main(word, text):
    """Exit status of the word."""
    options = texts.native(json.loads(text if text.startswith("{") else files.read(text)))
    package = __name__.rpartition(".")[0]
    module = __import__("%s.%s" % (package, MODULES[word]), fromlist=[word], level=0)
    answer = getattr(module, word)(options)
    if not isinstance(answer, dict):
        return answer
    print(json.dumps(texts.told(answer)))
    return 0
