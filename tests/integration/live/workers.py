"""Workers without their processes."""

import threading
import time

from registry.errors import BlobMissing
from registry.live.counter import Counter
from registry.live.pool import Pool
from registry.live.snapshot import served_version
from registry.live.watch import POLL_SECONDS, Watch
from registry.reading.queries import find_usable_version
from tests.fakes import Constant


class Worker:
    """What one worker process holds, without the process."""

    def __init__(self, database, path, limit=2**30):
        self.before = set(threading.enumerate())
        self.counter = Counter(path)
        self.loads = []
        self.missing = set()
        self.may_load = threading.Event()
        self.may_load.set()
        self.stopped_at = None
        self.pool = Pool(self.load, limit, self.now)
        self.watch = Watch(database, self.counter, self.pool, find_usable)

    def now(self):
        return time.monotonic() if self.stopped_at is None else self.stopped_at

    def load(self, version):
        assert self.may_load.wait(10)
        self.loads.append(version.number)
        if version.key in self.missing:
            raise BlobMissing(version.sha256)
        return Constant(version.number)

    def close(self):
        self.watch.close()
        self.pool.close()
        for thread in set(threading.enumerate()) - self.before:
            thread.join()  # it may be about to read the database
        self.counter.close()


def find_usable(session, model, reference):
    return served_version(find_usable_version(session, model, reference))


def eventually(holds):
    deadline = time.monotonic() + 5 * POLL_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
