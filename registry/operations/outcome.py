"""What an operation that may be repeated answers."""

from dataclasses import dataclass

from registry.queries import View


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer; ``replayed`` where an Idempotency-Key brought back an earlier one."""

    view: View
    replayed: bool = False
