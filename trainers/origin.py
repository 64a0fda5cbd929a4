"""Where the values of a recipe were written, so that a mistake is reported with its line."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

Path = tuple[str | int, ...]
"""Keys, and positions in lists, from the top of a recipe."""


class Mistake(NamedTuple):
    """What is wrong with the value at ``path``, in words."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Origin:
    """``source`` names the recipe in a message; ``lines`` has the lines of its keys, where it was
    a file."""

    source: str = "The recipe"
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line(self, path: Path) -> int | None:
        """The line of ``path``, or of the nearest table that holds it; None where unknown."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None

    def where(self, path: Path) -> str:
        """``The recipe r.toml, line 4: ``, to begin a message; empty where the line is unknown."""
        line = self.line(path)
        return "" if line is None else f"{self.source}, line {line}: "

    def without(self, keys: Iterable[str]) -> "Origin":
        """The origin of a recipe whose ``keys`` were written elsewhere."""
        gone = set(keys)
        kept = {path: line for path, line in self.lines.items() if path[0] not in gone}
        return Origin(self.source, kept)

    def described(self, mistakes: Iterable[Mistake]) -> list[str]:
        """Each mistake in words, with its line where it is known, in the order of the lines."""
        lined = [(self.line(mistake.path), mistake.text) for mistake in mistakes]
        lined.sort(key=lambda pair: pair[0] or 0)
        return [text if line is None else f"line {line}: {text}" for line, text in lined]
