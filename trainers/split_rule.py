"""How a recipe divides the rows into training rows and held-out rows."""

from dataclasses import dataclass
from typing import Any, Literal, get_args

SplitWay = Literal["random", "stratified", "group", "time"]
SPLIT_WAYS: tuple[SplitWay, ...] = get_args(SplitWay)
BY_COLUMN = ("group", "time")


@dataclass(frozen=True, slots=True)
class SplitRule:
    """``random``: any rows; ``stratified``: the same share of each class; ``group``: rows with the
    same value of ``column`` stay together; ``time``: the rows with the latest values of ``column``
    are held out. None: stratified for classes, random for quantities."""

    by: SplitWay | None = None
    column: str = ""

    def mistakes(self) -> list[tuple[str, str]]:
        """The mistakes in it: the key, and what is wrong."""
        if self.by is not None and self.by not in SPLIT_WAYS:
            return [("by", f"split.by must be one of {', '.join(SPLIT_WAYS)}, not {self.by!r}")]
        if self.by in BY_COLUMN and not self.column:
            return [("by", f"split.column is missing: name the column of the {self.by}")]
        if self.column and self.by not in BY_COLUMN:
            return [("column", f"split.column requires by = {' or '.join(map(repr, BY_COLUMN))}")]
        return []

    def to_json(self) -> dict[str, Any]:
        """The same as a table of a recipe."""
        pairs = (("by", self.by), ("column", self.column))
        return {key: value for key, value in pairs if value}


DEFAULT_SPLIT = SplitRule()
