"""What a process does before and after it commits a change, so that it holds on all hosts."""

import logging
import threading
from collections.abc import Iterable

from registry.errors import DatabaseUnavailable, VersionNotLoadable
from registry.hosts.protocol import WAIT, Clock, Page, Steps
from registry.hosts.store import HostAnswer, HostStanding, HostStore

logger = logging.getLogger(__name__)


class Silences:
    """Since when each host has not been present, by the clock of this process.

    Once a host was silent for its lease it does not answer requests any more: it joins first. All
    promoters of a process share one, so that a host that died delays one change, not each.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since: dict[str, tuple[int, int, int]] = {}

    def note(self, standings: Iterable[HostStanding]) -> None:
        """Note rows that have just been read."""
        now = self._clock()
        with self._lock:
            for row in standings:
                known = self._since.get(row.host)
                if known is None or known[:2] != (row.incarnation, row.beat):
                    self._since[row.host] = row.incarnation, row.beat, now

    def is_over(self, row: HostStanding) -> bool:
        """Whether the host was silent for a lease when ``row`` was read, or has been since."""
        with self._lock:
            incarnation, beat, since = self._since[row.host]
        silent = (incarnation, beat) == (row.incarnation, row.beat)
        return row.expired or (silent and self._clock() - since >= row.lease)


class Promoter:
    """Prepares and confirms the changes that one process makes.

    ``page``: that of the ``host`` whose workers this process prepares and announces to by itself;
    None: it has none.
    """

    def __init__(
        self,
        store: HostStore,
        host: str,
        *,
        page: Page | None,
        clock: Clock,
        silences: Silences,
    ) -> None:
        self._store = store
        self._host = host
        self._page = page
        self._clock = clock
        self._silences = silences

    def prepare(self, model: str, number: int, patience: int) -> Steps[int]:
        """Have every other live host load a version, and return the id of the promotion.

        Its commit has to lock the promotion, and to refuse where it is no longer being prepared and
        where a host has failed: one that joins meanwhile answers before it has a lease.

        Raises VersionNotLoadable, which names the host; Unavailable.
        """
        yield "ask"
        incarnation = self._page.incarnation if self._page is not None else 0
        promotion = self._store.ask(model, number, self._host, incarnation)
        deadline = self._clock() + patience
        yield "notify"
        self._store.notify()
        while True:
            yield "answers"
            answers = self._store.answers(promotion)
            self._silences.note(answer.standing for answer in answers)
            waiting = [answer.standing.host for answer in answers if self._is_awaited(answer)]
            faults = faults_of(answers)
            if waiting and self._clock() >= deadline:
                seconds = patience / 1e9
                faults += [f"Host '{host}' did not load it in {seconds:g} s." for host in waiting]
            if faults:
                yield "fail"
                self._store.fail(promotion)
                raise VersionNotLoadable(model, number, " ".join(faults))
            if not waiting:
                return promotion
            yield WAIT

    def confirm(self, patience: int) -> Steps[tuple[str, ...]]:
        """Wait until a change that is committed and announced on this host holds on every host; the
        hosts that have not acknowledged it, whose leases are over.

        Raises DatabaseUnavailable where the database cannot be read for ``patience``: the change is
        committed, but must not be answered. No other error is raised, whatever the store raises:
        others say that nothing was changed.
        """
        began = self._clock()
        seq: int | None = None
        rows: list[HostStanding] | None = None
        woken, failed = False, ""
        while True:
            if not woken:
                yield "notify"
                try:
                    self._store.notify()
                    woken = True
                except Exception as error:  # noqa: BLE001 - the hosts find the change by themselves
                    failed = _log(error, failed)
            try:
                if seq is None:
                    yield "head"
                    seq = self._store.head()
                yield "unacknowledged"
                rows = [row for row in self._store.unacknowledged(seq) if not self._speaks_for(row)]
                self._silences.note(rows)
            except Exception as error:
                failed = _log(error, failed)
                if rows is None and self._clock() - began >= patience:
                    raise DatabaseUnavailable from error
            if rows is not None and all(self._need_not_wait(row, began) for row in rows):
                return tuple(sorted(row.host for row in rows))
            yield WAIT

    def _is_awaited(self, answer: HostAnswer) -> bool:
        row = answer.standing
        return answer.ready is None and row.state == "live" and not self._silences.is_over(row)

    def _need_not_wait(self, row: HostStanding, began: int) -> bool:
        return self._silences.is_over(row) or self._clock() - began >= row.lease

    def _speaks_for(self, row: HostStanding) -> bool:
        """Whether announcing on the own page was enough. It is not while the renewer of that page
        has yet to acknowledge anything: another machine may answer under the same name."""
        page = self._page
        return page is not None and row.incarnation == page.incarnation and row.acknowledged > 0


def faults_of(answers: Iterable[HostAnswer]) -> list[str]:
    """Why hosts cannot load a version, with their names."""
    return [
        f"Host '{answer.standing.host}': {answer.fault}"
        for answer in answers
        if answer.ready is False
    ]


def _log(error: Exception, before: str) -> str:
    """Log an error that delays the answer to a change, unless it is of the same kind as the one
    ``before``. Returns its kind."""
    kind = type(error).__name__
    if kind != before:
        logger.warning("waiting for other hosts after a change goes on: %s: %s", kind, error)
    return kind
