"""A database in memory, whose transactions are single steps, and the lines that lead to it."""

from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from registry.errors import (
    DatabaseUnavailable,
    HostReplaced,
    PromotionAbandoned,
    VersionNotLoadable,
)
from registry.hosts.promoter import faults_of
from registry.hosts.store import (
    Asked,
    Event,
    HostAnswer,
    HostStanding,
    HostState,
    Presence,
    Seen,
)


@dataclass
class HostRow:
    incarnation: int
    state: HostState
    lease: int
    expires: int
    acknowledged: int = 0
    beat: int = 0


@dataclass
class PromotionRow:
    number: int
    state: str = "preparing"
    answers: dict[tuple[str, int], str | None] = field(default_factory=dict)


class SimulatedDatabase:
    """``clock`` is the database's own; ``live[seq]`` the version that is live after that event,
    whose hash is ``hashes[seq]``."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.live = [0]
        self.hashes = ["0"]
        self.fresh_hashes = map(str, count(1))
        self.fresh_promotions = count(1)
        self.hosts: dict[str, HostRow] = {}
        self.promotions: dict[int, PromotionRow] = {}
        self.alone = False
        """Whether a host has noted that it is the only one."""
        self.beats = count(1)

    def find(self, host: str) -> HostStanding | None:
        return self._standing(host) if host in self.hosts else None

    def present(
        self, me: Presence, state: HostState, lease: int, *, replaces: int | None = None
    ) -> int:
        row = self.hosts.setdefault(me.host, HostRow(me.incarnation, state, lease, 0))
        if row.incarnation not in (me.incarnation, replaces):
            raise HostReplaced(me.host)
        if row.incarnation != me.incarnation:
            row.incarnation, row.acknowledged = me.incarnation, 0
        row.state, row.lease, row.beat = state, lease, next(self.beats)
        row.expires = self.clock() + lease
        return row.acknowledged

    def read(self, me: Presence, known: Event | None) -> Seen:
        asked = [
            Asked(id_, "model", row.number)
            for id_, row in self._preparing()
            if (me.host, me.incarnation) not in row.answers
        ]
        preparing = frozenset(id_ for id_, _ in self._preparing())
        follows = known is None or self.contains(known)
        alone = "alone" if self.alone else None
        return Seen(self.last(), tuple(asked), preparing, follows=follows, alone=alone)

    def acknowledge(self, me: Presence, seq: int) -> None:
        row = self.hosts.get(me.host)
        if row is not None and row.incarnation == me.incarnation:
            row.acknowledged = max(row.acknowledged, seq)

    def answer(self, promotion: int, me: Presence, fault: str | None) -> None:
        row = self.promotions.get(promotion)
        if row is not None and row.state == "preparing":
            row.answers[me.host, me.incarnation] = fault

    def forget_lost(self) -> None:
        """No day passes; ``forget_if_lost`` is called where that is to be as if."""

    def leave(self, me: Presence) -> None:
        row = self.hosts.get(me.host)
        if row is not None and row.incarnation == me.incarnation and row.acknowledged:
            del self.hosts[me.host]

    def ask(self, model: str, number: int, host: str, incarnation: int) -> int:
        assert model == "model"
        id_ = next(self.fresh_promotions)
        self.promotions[id_] = PromotionRow(number, answers={(host, incarnation): None})
        return id_

    def answers(self, promotion: int) -> list[HostAnswer]:
        found = self.promotions[promotion].answers if promotion in self.promotions else {}
        given = []
        for host in self.hosts:
            row = self._standing(host)
            key = host, row.incarnation
            fault = found.get(key)
            given.append(HostAnswer(row, (fault is None) if key in found else None, fault))
        return given

    def fail(self, promotion: int) -> None:
        self._end(promotion, "failed")

    def abandon(self, promotion: int) -> None:
        """What happens to a promotion that is prepared for more than 60 s."""
        self._end(promotion, "abandoned")

    def head(self) -> int:
        return len(self.live) - 1

    def last(self) -> Event:
        return Event(self.head(), self.hashes[-1])

    def contains(self, event: Event) -> bool:
        return event.seq <= self.head() and self.hashes[event.seq] == event.hash

    def unacknowledged(self, seq: int) -> list[HostStanding]:
        return [self._standing(host) for host, row in self.hosts.items() if row.acknowledged < seq]

    def notify(self) -> None:
        """Nobody is woken: the protocol must not depend on it."""

    def change(self, number: int) -> Event:
        """Commit a change that needs no preparation, such as a rollback; its event."""
        self.live.append(number)
        self.hashes.append(next(self.fresh_hashes))
        return self.last()

    def promote(self, promotion: int) -> Event:
        """Commit a promotion; its event."""
        row = self.promotions.get(promotion)
        if row is None or row.state != "preparing":
            raise PromotionAbandoned
        if faults := faults_of(self.answers(promotion)):
            raise VersionNotLoadable("model", row.number, " ".join(faults))
        row.state = "committed"
        return self.change(row.number)

    def is_shared(self) -> bool:
        """Whether a host with a lease uses the database, as one without finds it."""
        return any(not self._standing(host).expired for host in self.hosts)

    def restore(self, events: int, rows: str) -> None:
        """Lose the last ``events``. The ``rows`` of hosts were dumped shortly before (``new``),
        long before (``old``), or when there were none (``none``)."""
        for part in (self.live, self.hashes):
            del part[max(1, len(part) - events) :]
        self.promotions.clear()
        if rows == "none":
            self.hosts.clear()
        for row in self.hosts.values():
            row.acknowledged = min(row.acknowledged, self.head())
            if rows == "old":
                row.expires -= 100 * row.lease

    def forget(self, host: str) -> None:
        del self.hosts[host]

    def forget_if_lost(self, host: str) -> None:
        """What happens to the row of a host that nobody has waited for for a day."""
        if host in self.hosts and self._standing(host).expired:
            self.forget(host)

    def _preparing(self) -> list[tuple[int, PromotionRow]]:
        return [(id_, row) for id_, row in self.promotions.items() if row.state == "preparing"]

    def _end(self, promotion: int, state: str) -> None:
        if promotion in self.promotions and self.promotions[promotion].state == "preparing":
            self.promotions[promotion].state = state

    def _standing(self, host: str) -> HostStanding:
        row = self.hosts[host]
        return HostStanding(
            host,
            row.incarnation,
            beat=row.beat,
            lease=row.lease,
            acknowledged=row.acknowledged,
            expired=row.expires < self.clock() - row.lease,
            state=row.state,
        )


class Line:
    """The connections of one machine. The next call fails as ``fate`` says: ``lost`` before it is
    done, ``unanswered`` after."""

    def __init__(self, database: SimulatedDatabase) -> None:
        self._database = database
        self.fate = "well"

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, getattr(self._database, name))

    def _call(self, method: Any, *arguments: Any, **named: Any) -> Any:
        fate, self.fate = self.fate, "well"
        if fate == "lost":
            raise DatabaseUnavailable
        result = method(*arguments, **named)
        if fate == "unanswered":
            raise DatabaseUnavailable
        return result
