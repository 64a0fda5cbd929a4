"""What the hosts tell each other through the shared database.

Times are in nanoseconds. ``expires`` is by the database's clock, everything else by none.
"""

from typing import Literal, NamedTuple, Protocol

HostState = Literal["joining", "live"]


class Presence(NamedTuple):
    """One start of a host. ``incarnation`` is a random number: what an earlier start has answered
    is not taken for an answer of this one."""

    host: str
    incarnation: int
    release: str
    workers: int


class Asked(NamedTuple):
    """A version that a host is requested to load before an alias may point at it."""

    promotion: int
    model: str
    number: int


class Event(NamedTuple):
    """An event of the history, whose hash covers all before it."""

    seq: int
    hash: str


class Seen(NamedTuple):
    """What a host reads at each beat."""

    last: Event
    """The end of the history."""
    asked: tuple[Asked, ...]
    """Promotions being prepared that this incarnation has not answered, whether or not the host was
    present when they began."""
    preparing: frozenset[int]
    """Every promotion that is being prepared: a version of another one need not be kept loaded."""
    follows: bool
    """Whether the history contains the event that the host has acknowledged last."""
    alone: str | None
    """Another host that expects to be the only one, and tells and asks the others nothing."""


class HostStanding(NamedTuple):
    """The row of a host as a promoter reads it."""

    host: str
    incarnation: int
    beat: int
    """Another number after each time that the host was present, also where its row was deleted
    in the meantime."""
    lease: int
    """How long the host may answer after it began the beat at which it read the state."""
    acknowledged: int
    """The last event that the incarnation has acknowledged; 0: none."""
    expired: bool
    """Whether ``expires`` is more than one lease ago by the database's clock. This second lease
    absorbs a step of that clock."""
    state: HostState


class HostAnswer(NamedTuple):
    """What a host says of a promotion; ``ready`` is None until it answers."""

    standing: HostStanding
    ready: bool | None
    fault: str | None = None


class HostStore(Protocol):
    """Each call is one transaction, which has ended when it returns. Any may raise Unavailable,
    after which it may have taken effect or not."""

    def find(self, host: str) -> HostStanding | None:
        """The row of the host."""

    def present(
        self, me: Presence, state: HostState, lease: int, *, replaces: int | None = None
    ) -> int:
        """Insert or update the row of this host: ``expires`` is one lease from now. The event that
        the incarnation has acknowledged by the row, 0 where it was inserted.

        A row of the incarnation ``replaces`` becomes this one's, which has acknowledged nothing.

        Raises HostReplaced where the row belongs to another incarnation.
        """

    def read(self, me: Presence, known: Event | None) -> Seen:
        """The state of the registry. The transaction begins after the call.

        ``known``: the event that this host has acknowledged last; None: it has acknowledged none.
        """

    def acknowledge(self, me: Presence, seq: int) -> None:
        """Note that every worker of this host will read event ``seq`` before its next answer.

        Changes nothing where the row belongs to another incarnation.
        """

    def answer(self, promotion: int, me: Presence, fault: str | None) -> None:
        """Note that this host is ready, or its ``fault``, where the promotion is still prepared. It
        locks the promotion's row, as the commit does."""

    def forget_lost(self) -> None:
        """Delete the rows of hosts that nobody has waited for for a day."""

    def leave(self, me: Presence) -> None:
        """Delete the row of this host if it is this incarnation's and has acknowledged an event.

        One that has acknowledged nothing stays until it expires: it may have been taken over from
        another machine, for which promoters have to wait.
        """

    def ask(self, model: str, number: int, host: str, incarnation: int) -> int:
        """Begin to prepare a promotion, for which this host is ready, and return its id.

        Marks promotions of which their promoter said nothing for 60 s as abandoned, and does what
        ``forget_lost`` does.
        """

    def answers(self, promotion: int) -> list[HostAnswer]:
        """What the present incarnation of each host answered."""

    def fail(self, promotion: int) -> None:
        """Mark the promotion as failed, where it is still prepared."""

    def head(self) -> int:
        """The number of the last event of the history."""

    def unacknowledged(self, seq: int) -> list[HostStanding]:
        """The hosts that have not acknowledged event ``seq``, also those that have expired."""

    def notify(self) -> None:
        """Wake the renewers of all hosts. Only the time that a change takes depends on it."""
