"""The result_worker: a result stays held until MySQL has it. Saving one twice leaves one row."""

from __future__ import absolute_import

import logging
import time

from .patience import PAUSES, TRIES, Loop

SHARE = 20
OLD = 10.0
"""Seconds after which a result may have been given to another consumer, who may have saved a newer one since."""


class KeepingResultWorker(Loop):
    """Over pyspider's ResultWorker, which pops a result and drops it when it can't be saved."""

    def once(self):
        taken = self.inqueue.take(SHARE)
        self.pulse.took(len(taken))
        saved = []
        try:
            for place, one in enumerate(taken):
                self.pulse.open(len(taken) - place)
                if self.saved(one):
                    saved.append(one.number)
        finally:
            self.inqueue.done(saved)
            self.pulse.did(len(saved))
            self.pulse.open(0)
        return bool(taken)

    def saved(self, taken):
        for tries in range(TRIES):
            if time.time() > taken.taken_at + OLD and not self.inqueue.holds(taken.number):
                return False
            try:
                task, result = taken.message
                self.on_result(task, result)
                return True
            except Exception as error:
                logging.exception("a result was not saved, try %d of %d", tries + 1, TRIES)
                self.pulse.failed(error)
                last = error
                if tries < len(PAUSES):
                    self.inqueue.store.wait(PAUSES[tries])
        self.inqueue.fail(taken.number, last)
        return False
