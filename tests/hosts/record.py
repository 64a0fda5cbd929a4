"""What a chaos test records about its hosts, and the check of it.

Times are seconds of one monotonic clock: clients, operators and disturbances are threads of one
process. The replies of predictions by alias are checked as in benchmarks/swap_record.py.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.swap_record import Move, Reply, check, quantile

SHOWN = 5


@dataclass(frozen=True, slots=True)
class Outage:
    """The time during which a host was disturbed, until it took traffic again."""

    host: int
    kind: str
    start: float
    end: float

    def touches(self, start: float, end: float) -> bool:
        """Whether it lasted at some time between ``start`` and ``end``."""
        return self.start <= end and start <= self.end


@dataclass(frozen=True, slots=True)
class AnsweredMove:
    """A move of an alias of ``model``; ``host`` answered it at the attempt number ``attempts``."""

    model: str
    move: Move
    host: int
    attempts: int

    @property
    def seconds(self) -> float:
        return self.move.end - self.move.start


@dataclass(slots=True)
class Permission:
    """A request that is allowed until something ends it: by a token that is revoked, of a version
    that is archived, or by an alias that is deleted. ``ended``: when the request that ended it was
    answered; ``again``: when one was sent that allows it again."""

    path: str
    token: str
    ended: float = math.inf
    again: float = math.inf


@dataclass(frozen=True, slots=True)
class Use:
    """A request of ``host`` by a permission."""

    host: int
    permission: Permission
    start: float
    end: float
    status: int

    @property
    def is_late(self) -> bool:
        """Whether it was answered although it began after the permission had ended."""
        over = self.start > self.permission.ended and self.end < self.permission.again
        return self.status == 200 and over


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """All that happened. ``replies``: by host and model; ``answers``: the prediction of each
    version of each model."""

    replies: Mapping[tuple[int, str], Sequence[Reply]]
    answers: Mapping[str, Mapping[int, object]]
    moves: Sequence[AnsweredMove]
    outages: Sequence[Outage]
    uses: Sequence[Use] = ()
    lease: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The number of replies, and the wrong ones. ``failed``: those that failed, by the kind of
    outage of their host at that time or at most a lease before; ``unexplained``: those that failed
    without one."""

    replies: int
    failed: Mapping[str, int]
    unexplained: Sequence[tuple[int, Reply]]
    torn: Sequence[tuple[int, Reply]]
    stale: Sequence[tuple[int, Reply]]
    backwards: Sequence[tuple[int, Reply]]
    late: Sequence[Use]
    """By tokens that were revoked, of versions that were archived, or by aliases that were
    deleted."""
    uses: int
    ended: int
    """Permissions that were ended."""
    outages: Mapping[str, int]
    all_outages: Sequence[Outage]
    well: Sequence[float] = field(default=())
    """Seconds of the moves that no outage touched."""
    lost: Sequence[float] = field(default=())
    """Seconds of the moves during which another host was disturbed."""
    moves: int

    @property
    def wrong(self) -> int:
        """How many replies had what held before an answered change."""
        return len(self.torn) + len(self.stale) + len(self.backwards) + len(self.late)

    @property
    def clean(self) -> bool:
        return not (self.wrong or self.unexplained)


def judge(record: Record) -> Verdict:
    """Check every reply of every host.

    The replies of all hosts for one model are checked against the answered moves of its alias. A
    move that was repeated may have taken effect since its first request. A reply may fail until a
    lease after an outage: TCP sends again what was lost the later, the longer it was cut off.
    """
    found: dict[str, list[tuple[int, Reply]]] = {
        kind: [] for kind in ("unexplained", "torn", "stale", "backwards")
    }
    failed: Counter[str] = Counter()
    for (host, model), replies in record.replies.items():
        moves = [one.move for one in record.moves if one.model == model]
        of_host = [outage for outage in record.outages if outage.host == host]
        verdict = check(replies, moves, record.answers[model])
        for reply in verdict.failed:
            kinds = _excuses(of_host, reply, record.lease)
            failed.update(kinds)
            if not kinds:
                found["unexplained"].append((host, reply))
        for kind in ("torn", "stale", "backwards"):
            found[kind] += [(host, reply) for reply in getattr(verdict, kind)]
    well, lost = _durations(record)
    return Verdict(
        replies=sum(map(len, record.replies.values())),
        failed=failed,
        late=[use for use in record.uses if use.is_late],
        uses=len(record.uses),
        ended=len({id(u.permission) for u in record.uses if u.permission.ended < math.inf}),
        outages=Counter(outage.kind for outage in record.outages),
        all_outages=record.outages,
        well=well,
        lost=lost,
        moves=len(record.moves),
        **found,
    )


def _excuses(outages: Sequence[Outage], reply: Reply, lease: float) -> set[str]:
    """The kinds of the outages during which the reply failed, or shortly after which."""
    during = {one.kind for one in outages if one.touches(reply.start, reply.end)}
    return during or {
        f"after {one.kind}" for one in outages if one.touches(reply.start - lease, reply.end)
    }


def _durations(record: Record) -> tuple[list[float], list[float]]:
    """The seconds of the moves that were answered at the first attempt by a host that was well:
    with every other host well for two leases, and with another one disturbed."""
    well, lost = [], []
    for one in record.moves:
        start, end = one.move.start, one.move.end
        near = {o.host for o in record.outages if o.touches(start - 2 * record.lease, end)}
        during = {o.host for o in record.outages if o.touches(start, end)}
        if one.attempts == 1 and not near:
            well.append(one.seconds)
        elif one.attempts == 1 and during and one.host not in near:
            lost.append(one.seconds)
    return well, lost


def report(verdict: Verdict) -> str:
    """The figures, as lines to print."""
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.failed.items()))
    outages = ", ".join(f"{count} {kind}" for kind, count in sorted(verdict.outages.items()))
    lines = [
        f"replies          {verdict.replies}",
        f"failed           {len(verdict.unexplained)} at hosts that were well; others by outage:"
        f" {failed or 'none'}",
        f"stale            {len(verdict.stale)}",
        f"torn             {len(verdict.torn)}",
        f"backwards        {len(verdict.backwards)}",
        f"after an end     {len(verdict.late)} of {verdict.uses} requests, by {verdict.ended}"
        " revoked tokens, archived versions and deleted aliases",
        f"outages          {sum(verdict.outages.values())}: {outages or 'none'}",
        f"promotions       {verdict.moves}",
    ]
    for name, took in (("all hosts well", verdict.well), ("one host lost", verdict.lost)):
        figures = (
            f"p50 {quantile(took, 0.5) * 1e3:.0f} ms, p99 {quantile(took, 0.99) * 1e3:.0f} ms, "
            if took
            else ""
        )
        lines.append(f"  {name:<14} {figures}{len(took)} promotions")
    for kind in ("unexplained", "stale", "torn", "backwards"):
        for host, reply in getattr(verdict, kind)[:SHOWN]:
            before = [o for o in verdict.all_outages if o.host == host and o.end < reply.start]
            last = max(before, key=lambda outage: outage.end, default=None)
            lines.append(f"{kind}: host {host}, {reply}, after {last}")
    lines += [f"after an end: {use}" for use in verdict.late[:SHOWN]]
    return "\n".join(lines)
