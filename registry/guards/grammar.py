"""The language of guards: one condition a line.

    EVENTS <= champion [* N] [+ N%]    faults <= champion * 2 + 0.5%
    EVENTS <= N%                       slow <= 1%

EVENTS is ``faults`` or ``slow``. ``champion`` is the share of the same events in the champion's
requests at the same time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from registry.errors import GuardMalformed
from registry.gates.conditions import ConditionParser, parse_list
from registry.guards.limit import Limit

Events = Literal["faults", "slow"]
"""Requests that failed, and answers that took longer than nearly all of the champion's."""
EVENTS: tuple[Events, ...] = get_args(Events)
MAX_SCALE = 1000.0


def _pattern() -> str:
    below_one = r"0?\.\d{0,8}[1-9]0{0,4}"
    scale = rf"(?:[1-9]\d{{0,2}}(?:\.\d{{1,9}})?|1000(?:\.0{{1,4}})?|{below_one})"
    share = rf"(?:[1-9]\d?(?:\.\d{{1,9}})?|{below_one}) ?%"
    champion = rf"champion(?: ?\* ?{scale})?(?: ?\+ ?{share})?"
    return rf"^(?:{'|'.join(EVENTS)}) ?<= ?(?:{champion}|{share})$".replace(r"\d", "[0-9]")


PATTERN = _pattern()
"""The language as a regular expression, for JSON Schema. The parser accepts more: longer numbers
and any white space between two words."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The canary's share of ``events`` is at most ``limit``."""

    text: str
    events: Events
    limit: Limit


def parse_guard(text: str, at: str = "guard") -> Guard:
    """Read one guard; ``at`` is its place in a fault.

    Raises GuardMalformed.
    """
    return _Parser(text, at).guard()


def parse_guards(texts: Sequence[str], at: str = "guards") -> tuple[Guard, ...]:
    """Read a list of guards.

    Raises GuardMalformed with a fault for each invalid guard, for more than 32, and for one that is
    there twice.
    """
    return parse_list(texts, parse_guard, "guard", GuardMalformed, at=at)


class _Parser(ConditionParser):
    error = GuardMalformed

    def guard(self) -> Guard:
        known = " and ".join(EVENTS)
        first = self._take("name", f"expected {' or '.join(map(repr, EVENTS))}")
        if first.text not in EVENTS:
            self._refuse(f"there is no guard {first.text!r}; there are {known}", first.place)
        place = self._place()
        if self._take("operator", "expected '<='").text != "<=":
            self._refuse("expected '<='", place)
        limit = self._limit()
        if (left := self._peek()) is not None:
            self._refuse(f"{left.text!r} is not expected here", left.place)
        return Guard(self._text, first.text, limit)

    def _limit(self) -> Limit:
        found = self._peek()
        if found is None or found.kind != "name":
            return Limit(0.0, self._share("expected 'champion', or a percentage such as 0.5%"))
        self._word("champion")
        scale = 1.0
        if self._sign("*") is not None:
            place = self._place()
            scale = self._number("expected a number after '*'")
            if not 0 < scale <= MAX_SCALE:
                self._refuse(f"expected a number above 0 and up to {MAX_SCALE:g}", place)
        shift = 0.0
        if self._sign("+") is not None:
            shift = self._share("expected a percentage after '+', such as 0.5%")
        return Limit(scale, shift)

    def _share(self, expected: str) -> float:
        """A percentage above 0% and below 100%, as a share of 1."""
        place = self._place()
        percent = self._number(expected)
        if self._sign("%") is None:
            self._refuse("expected '%'", self._place())
        if not 0 < percent < 100:
            self._refuse("expected more than 0% and less than 100%", place)
        return percent / 100
