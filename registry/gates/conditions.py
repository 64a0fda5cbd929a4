"""What the languages of gates and of guards share: words, numbers, and lists of conditions."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NoReturn, Protocol, TypeVar

from registry.errors import Fault, GateMalformed, GuardMalformed

MAX_LENGTH = 200
MAX_CONDITIONS = 32
_TOKEN = re.compile(
    r"(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z][A-Za-z0-9_]*)*)"
    r"|(?P<operator><=|>=|==|<|>)"
    r"|(?P<sign>[*+\-@%,])",
    re.ASCII,
)


class Condition(Protocol):
    """A gate or a guard."""

    @property
    def text(self) -> str:
        """As it was written, with single spaces."""
        ...


Parsed = TypeVar("Parsed", bound=Condition)


def parse_list(
    texts: Sequence[str],
    parse: Callable[[str, str], Parsed],
    noun: str,
    error: type[GateMalformed | GuardMalformed],
    *,
    at: str,
) -> tuple[Parsed, ...]:
    """Read each of ``texts`` with ``parse``.

    Raises ``error`` with a fault for each invalid condition, for more than 32, and for one that is
    there twice.
    """
    if len(texts) > MAX_CONDITIONS:
        message = f"{len(texts)} {noun}s, at most {MAX_CONDITIONS} are allowed"
        raise error(message, [Fault(at, message)])
    parsed: dict[str, Parsed] = {}
    faults: list[Fault] = []
    for index, text in enumerate(texts):
        try:
            one = parse(text, f"{at}[{index}]")
        except error as malformed:
            faults += malformed.faults
            continue
        if one.text in parsed:
            faults.append(Fault(f"{at}[{index}]", f"the {noun} is there twice"))
        parsed[one.text] = one
    if faults:
        raise error(faults[0].message, faults)
    return tuple(parsed.values())


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: int
    """The character that it begins with, from 1."""


class ConditionParser:
    """Reads the words of one condition from left to right; ``at`` is its place in a fault."""

    error: ClassVar[type[GateMalformed | GuardMalformed]]
    """What it raises at the first fault, with the place in the text."""

    def __init__(self, text: str, at: str) -> None:
        self._text = " ".join(text.split())
        self._at = at
        if not self._text:
            self._refuse("it is empty", 1)
        if len(self._text) > MAX_LENGTH:
            self._refuse(f"it is longer than {MAX_LENGTH} characters", MAX_LENGTH + 1)
        self._tokens = list(self._scan())
        self._next = 0

    def _scan(self) -> Iterator[_Token]:
        place = 0
        while place < len(self._text):
            if self._text[place] == " ":
                place += 1
                continue
            found = _TOKEN.match(self._text, place)
            if found is None:
                self._refuse(f"{self._text[place]!r} is not expected here", place + 1)
            yield _Token(found.lastgroup or "", found.group(), place + 1)
            place = found.end()

    def _signed(self, expected: str) -> float:
        negative = self._sign("-") is not None
        number = self._number(expected)
        return -number if negative else number

    def _number(self, expected: str) -> float:
        found = self._take("number", expected)
        number = float(found.text)
        if not math.isfinite(number):
            self._refuse("the number is out of range", found.place)
        return number

    def _word(self, word: str) -> None:
        found = self._take("name", f"expected {word!r}")
        if found.text != word:
            self._refuse(f"expected {word!r}, not {found.text!r}", found.place)

    def _sign(self, *signs: str) -> str | None:
        found = self._peek()
        if found is None or found.kind != "sign" or found.text not in signs:
            return None
        self._next += 1
        return found.text

    def _take(self, kind: str, expected: str) -> _Token:
        found = self._peek()
        if found is None or found.kind != kind:
            why = expected if found is None else f"{expected}, not {found.text!r}"
            self._refuse(why, self._place())
        self._next += 1
        return found

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _place(self) -> int:
        found = self._peek()
        return len(self._text) + 1 if found is None else found.place

    def _refuse(self, why: str, place: int) -> NoReturn:
        message = f"{self._text[:MAX_LENGTH]!r}, at character {place}: {why}"
        raise self.error(message, [Fault(self._at, message)])
