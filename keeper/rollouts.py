"""Watches rollouts: reads what was counted, decides, and makes the moves.

What takes long, the evaluation of gates and the preparation of a version, also of the one before
that is to come back, is done in a thread: the guards of all rollouts are looked at meanwhile. A
guard that fails then changes the revision of the rollout, so the move that was being prepared is
refused.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.orm import Session

from registry.errors import (
    ChampionMoved,
    RegistryError,
    RolloutChanged,
    RolloutNotFound,
    RolloutStateConflict,
    Unavailable,
)
from registry.operations.evaluate_requirements import evaluate_requirements
from registry.operations.hold_lease import database_time, hold_lease
from registry.operations.move_rollout import KEEPER, RolloutMove, move_rollout
from registry.operations.preparing import Prepare
from registry.operations.promote import EvaluateGates
from registry.operations.report_rollback import report_rollback
from registry.operations.store_evidence import store_counts, store_evidence
from registry.rollouts.decide import decide
from registry.rollouts.observed import Observed, Sources
from registry.rollouts.plan import Plan
from registry.rollouts.progress import Action, Decision, Required
from registry.storage.database import Database
from registry.storage.rollout_tables import RolloutRow
from registry.storage.tables import utc_now
from registry.watching.rollout_counts import HostCounts, ReadCounts
from registry.watching.rollouts import (
    StoredCounts,
    active_rollouts,
    observed_of,
    plan_of,
    progress_of,
    stored_counts,
)

LOOK_SECONDS = 1.0
STORED = timedelta(seconds=5)
"""How often what was counted is stored."""
AGAIN = timedelta(seconds=5)
"""How long after a failure a move is tried again."""
EVALUATED_AGAIN = timedelta(seconds=30)
"""How long after gates could not be evaluated."""
LEASE = "rollouts"
_SLOW: frozenset[Action] = frozenset({"require", "advance", "promote"})
_MOVED = (RolloutChanged, RolloutNotFound, RolloutStateConflict, ChampionMoved)
"""Somebody else was faster: the rollout is read again."""


def in_thread(call: Callable[[], object]) -> "Future[object]":
    """Call it in a thread that does not keep the process from ending."""
    future: Future[object] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


class _Begun(NamedTuple):
    """What was decided and takes long, and where its result will be."""

    decision: Decision
    future: "Future[object]"


@dataclass(slots=True)
class _Watched:
    """A rollout, at one revision."""

    row: RolloutRow
    plan: Plan
    observed: Observed
    stored_at: datetime
    begun: _Begun | None = None
    required: Required | None = None
    not_before: datetime | None = None


class RolloutWatcher:
    """Watches the rollouts in ``database``. For one thread.

    Where several hosts share a database, the one with the lease decides, and the others store their
    counts for it.
    """

    def __init__(
        self,
        database: Database,
        prepare: Prepare,
        evaluate_gates: EvaluateGates,
        read_counts: ReadCounts,
        *,
        clock: Callable[[], datetime] = utc_now,
        database_clock: Callable[[Session], datetime] = database_time,
        begin: Callable[[Callable[[], object]], "Future[object]"] = in_thread,
    ) -> None:
        self._database = database
        self._prepare = prepare
        self._evaluate_gates = evaluate_gates
        self._read_counts = read_counts
        self._clock = clock
        self._database_clock = database_clock
        self._begin = begin
        self._watched: dict[int, _Watched] = {}
        self._evaluate_after: dict[int, datetime] = {}
        self._told: dict[int, datetime] = {}
        self._before: HostCounts | None = None
        self._first: dict[int, Sources] = {}
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"

    def look(self) -> None:
        """Look at every rollout once. Where that fails, the others are looked at all the same.

        Raises what the first one that fails raised.
        """
        now = self._clock()
        # A rollout that is not in the database yet begins with these counts, or later ones. On a
        # single host the operation that starts it has read them.
        before = None if self._database.is_sqlite else self._read_counts()
        with self._database.read() as session:
            rows = active_rollouts(session)
        self._note_first(rows, before)
        if not rows:
            self._watched.clear()
            return
        counts = before or self._read_counts()
        if not self._decides():
            self._watched.clear()
            self._tell(rows, counts, now)
            return
        active = {row.id for row in rows}
        self._watched = {number: one for number, one in self._watched.items() if number in active}
        _for_each(rows, lambda row: self._look_at(self._at_revision(row, now), counts, now))

    def _decides(self) -> bool:
        return self._database.is_sqlite or hold_lease(
            self._database, LEASE, self._holder, self._database_clock
        )

    def _tell(self, rows: Sequence[RolloutRow], counts: HostCounts, now: datetime) -> None:
        """Store this host's counts for the keeper that decides, every five seconds."""

        def tell(row: RolloutRow) -> None:
            if now - self._told.get(row.id, now - STORED) >= STORED:
                first = self._first_of(row, counts)
                store_counts(self._database, row.id, counts.of(row.model, row.alias), first)
                self._told[row.id] = now

        _for_each(rows, tell)

    def _note_first(self, rows: Sequence[RolloutRow], counts: HostCounts | None) -> None:
        """Note where the counts of new rollouts begin: at what was read before the last look."""
        last, self._before = self._before, counts
        new = [row for row in rows if row.id not in self._first]
        active = {row.id for row in rows}
        self._told = {number: at for number, at in self._told.items() if number in active}
        self._first = {number: one for number, one in self._first.items() if number in active}
        for row in new:
            self._first[row.id] = {} if last is None else last.of(row.model, row.alias)

    def _first_of(self, row: RolloutRow, counts: HostCounts) -> Sources:
        """What the servers of this host had counted when the rollout began, as far as known."""
        return {**counts.begun_since(row.created_at), **self._first[row.id]}

    def _at_revision(self, row: RolloutRow, now: datetime) -> _Watched:
        """What is known of the rollout: read again where somebody has changed it."""
        watched = self._watched.get(row.id)
        if watched is None or watched.row.revision != row.revision:
            watched = _Watched(row, plan_of(row), observed_of(row), stored_at=now - STORED)
            self._watched[row.id] = watched
        return watched

    def _look_at(self, watched: _Watched, counts: HostCounts, now: datetime) -> None:
        row, plan = watched.row, watched.plan
        others = self._others(row)
        read = {**others.totals, **counts.of(row.model, row.alias)}
        first = {**others.first, **self._first_of(row, counts)}
        watched.observed = watched.observed.after(
            plan, row.version, row.champion, read, now, first=first
        )
        if watched.begun is not None and watched.begun.future.done():
            self._finish(watched, watched.begun, now)
        if row.id not in self._watched:  # it was moved, and is read again
            return
        decision = decide(plan, progress_of(row), watched.observed, now, watched.required)
        if _is_slow(row, decision.action):
            if watched.begun is None and self._is_due(watched, decision.action, now):
                call = self._call(watched, decision.action, decision.reason)
                watched.begun = _Begun(decision, self._begin(call))
        elif decision.action != "wait" and self._is_due(watched, decision.action, now):
            self._make(watched, decision.action, decision.reason)
        if row.id in self._watched and now - watched.stored_at >= STORED:
            watched.stored_at = now
            store_evidence(self._database, row.id, row.revision, watched.observed)

    def _is_due(self, watched: _Watched, action: Action, now: datetime) -> bool:
        """Whether enough time has passed since the last failure."""
        if action == "require":
            after = self._evaluate_after.get(watched.row.id)
            return after is None or now >= after
        return watched.not_before is None or now >= watched.not_before

    def _others(self, row: RolloutRow) -> StoredCounts:
        """The counts of the other hosts."""
        if self._database.is_sqlite:
            return StoredCounts({}, {})
        with self._database.read() as session:
            return stored_counts(session, row.id)

    def _call(self, watched: _Watched, action: Action, reason: str) -> Callable[[], object]:
        """What takes long; its result is the outcome of the requirements, or nothing."""
        if action == "require":
            return lambda: evaluate_requirements(self._database, watched.row, self._evaluate_gates)
        return lambda: self._move(watched.row, watched.observed, action, reason)

    def _finish(self, watched: _Watched, begun: _Begun, now: datetime) -> None:
        """Take the result of what took long. Raises its exception where it is tried again; where
        that is a rollback, somebody has to know."""
        watched.begun = None
        watched.not_before = now + AGAIN
        try:
            result = begun.future.result()
        except _MOVED:
            self._watched.pop(watched.row.id)
        except RegistryError as error:
            if begun.decision.action == "roll_back":
                report_rollback(self._database, watched.row, begun.decision.reason, error)
                raise
            if isinstance(error, Unavailable):
                raise
            self._make(watched, "block", f"The next move was refused: {error.detail}")
        else:
            if not isinstance(result, Required):
                self._watched.pop(watched.row.id)
                return
            watched.not_before = None
            undecided = result.verdict == "undecided"
            if undecided:
                self._evaluate_after[watched.row.id] = now + EVALUATED_AGAIN
            # A rollout that is held for this already waits for the next evaluation.
            watched.required = None if undecided and watched.row.state == "held" else result

    def _make(self, watched: _Watched, action: Action, reason: str) -> None:
        """Make a move that takes no time, and read the rollout again."""
        with suppress(*_MOVED):  # it is read again in any case
            self._move(watched.row, watched.observed, action, reason)
        self._watched.pop(watched.row.id)

    def _move(self, row: RolloutRow, observed: Observed, action: Action, reason: str) -> None:
        move_rollout(
            self._database,
            self._prepare,
            row.model,
            action,
            RolloutMove(
                actor=KEEPER,
                alias=row.alias,
                reason=reason,
                rollout=row.id,
                expected_revision=row.revision,
                observed=observed,
                at=self._clock(),
            ),
            evaluate_gates=self._evaluate_gates,
        )


def _for_each(rows: Iterable[RolloutRow], call: Callable[[RolloutRow], None]) -> None:
    """Call it for each of the rollouts, also where it fails for others. Raises what the first call
    that failed raised."""
    faults: list[Exception] = []
    for row in rows:
        try:
            call(row)
        except Exception as error:  # noqa: BLE001 - raised below
            faults.append(error)
    if faults:
        raise faults[0]


def _is_slow(row: RolloutRow, action: Action) -> bool:
    """Whether versions are prepared or gates evaluated for it. Before the promotion the champion
    answers, and a rollback only ends the split."""
    return action in _SLOW or (action == "roll_back" and row.state == "baking")
