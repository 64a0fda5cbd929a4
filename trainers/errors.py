"""Everything that can stop a training, one class for each.

    TrainingRefused
    ├── RecipeRefused             the recipe itself is wrong
    ├── DataRefused               the data cannot be read as a table
    │   ├── DataNotFound
    │   ├── BundledSetUnknown         sklearn:… that is not there
    │   ├── DataEmpty                 no bytes, or a header alone
    │   ├── TooFewRows
    │   ├── EncodingRefused           not UTF-8
    │   ├── TableMalformed            not CSV, not Parquet, ragged rows
    │   ├── HeaderRefused             a name missing
    │   └── DuplicateColumns
    ├── ColumnNotFound
    ├── ColumnRefused             a feature that cannot be trained on as it is
    ├── NoFeatures
    ├── TargetRefused             constant, or of no use for the task
    │   ├── TargetConstant
    │   ├── ClassTooRare
    │   └── TaskRefused               this kind cannot do that task
    ├── ParameterRefused
    ├── SearchRefused             no candidate of a search could be measured
    └── FitRefused                the estimator could not be fitted

Each says what was wrong, where, and what to do.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN = 5


class TrainingRefused(Exception):
    """Base of all; the text is for the person who asked for the training."""


class RecipeRefused(TrainingRefused):
    """``mistakes`` are all that were found, each naming its key and, in a file, its line;
    ``source`` is what they were found in."""

    def __init__(self, mistakes: Sequence[str], source: str = "The recipe") -> None:
        self.mistakes = tuple(mistakes)
        self.source = source
        super().__init__(f"{source} cannot be used: {'; '.join(mistakes)}.")


class DataRefused(TrainingRefused):
    """Base of what is wrong with the data as a whole."""


class DataNotFound(DataRefused):
    def __init__(self, source: str, why: str = "there is no such file") -> None:
        super().__init__(
            f"Cannot read {source}: {why}. Give a CSV or Parquet file, or one of scikit-learn's "
            "sets such as sklearn:iris."
        )


class BundledSetUnknown(DataRefused):
    def __init__(self, name: str, known: Iterable[str]) -> None:
        offered = ", ".join(f"sklearn:{set_name}" for set_name in known)
        super().__init__(f"There is no bundled set sklearn:{name}. There are {offered}.")


class DataEmpty(DataRefused):
    def __init__(self, source: str, what: str) -> None:
        super().__init__(
            f"{source} {what}. A table needs a header of column names and rows below it."
        )


class TooFewRows(DataRefused):
    def __init__(self, source: str, rows: int, why: str) -> None:
        counted = "only one row" if rows == 1 else f"only {rows} rows"
        super().__init__(f"{source} has {counted} to train on; {why}.")


class EncodingRefused(DataRefused):
    def __init__(self, source: str, line: int, offset: int, byte: int) -> None:
        super().__init__(
            f"{source} is not UTF-8: line {line} holds the byte 0x{byte:02x} (byte {offset} of the "
            "file). Save it as UTF-8, for instance with "
            "'iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW'."
        )


class TableMalformed(DataRefused):
    def __init__(self, source: str, what: str, advice: str) -> None:
        super().__init__(f"{source} {what}. {advice}")


class HeaderRefused(DataRefused):
    def __init__(self, source: str, what: str, advice: str) -> None:
        super().__init__(f"The header of {source} {what}. {advice}")


class DuplicateColumns(DataRefused):
    def __init__(self, source: str, names: Iterable[str]) -> None:
        super().__init__(
            f"{source} has more than one column named {listed(names)}. Columns are taken by name: "
            "rename or remove the others."
        )


class ColumnNotFound(TrainingRefused):
    """``where`` begins the message: the line of the recipe that asks for the column."""

    def __init__(self, role: str, name: str, columns: Sequence[str], where: str = "") -> None:
        near = get_close_matches(name, columns, n=3) or [
            column for column in columns if column.strip().casefold() == name.strip().casefold()
        ]
        hint = (
            f"Did you mean {listed(near)}?" if near else f"The columns are {listed(columns, 20)}."
        )
        super().__init__(f"{where}The data has no column '{name}', asked for as {role}. {hint}")


class ColumnRefused(TrainingRefused):
    """``is_time``: because it holds dates or times; ``where`` begins the message: the line of the
    recipe that prepares the column."""

    is_time = False

    def __init__(self, name: str, what: str, advice: str, where: str = "") -> None:
        self.column = name
        self.what = what
        self.advice = advice
        super().__init__(f"{where}The column '{name}' {what}. {advice}")

    @classmethod
    def dates(cls, name: str, example: str) -> "ColumnRefused":
        refused = cls(
            name,
            f"holds dates or times, such as {example}",
            "Exclude it, or put numbers made from it (year, month, days since a start) in columns "
            "of their own.",
        )
        refused.is_time = True
        return refused


class NoFeatures(TrainingRefused):
    def __init__(self) -> None:
        super().__init__(
            "No column is left to learn from beside the target. Exclude or drop fewer columns."
        )


class TargetRefused(TrainingRefused):
    def __init__(self, name: str, what: str, advice: str) -> None:
        super().__init__(f"The target '{name}' {what}. {advice}")


class TargetConstant(TargetRefused):
    def __init__(self, name: str, value: object) -> None:
        super().__init__(
            name,
            f"is {value!r} in every row",
            "There is nothing to learn: choose another target or other rows.",
        )


class ClassTooRare(TargetRefused):
    def __init__(self, name: str, classes: Sequence[str]) -> None:
        one = len(classes) == 1
        super().__init__(
            name,
            f"has a single row of the class {listed(classes)}"
            if one
            else f"has {len(classes)} classes with a single row: {listed(classes)}",
            "A class needs two rows or more, one to train and one to test: add rows, merge the "
            "class with another, or leave it out. If the target is a quantity, ask for regression.",
        )


class TaskRefused(TargetRefused):
    """The kind of model that was asked for cannot predict such a target."""


class ParameterRefused(TrainingRefused):
    """A parameter that the estimator does not take, or not with that value."""

    @classmethod
    def unknown(cls, name: str, kind: str, valid: Sequence[str]) -> "ParameterRefused":
        near = get_close_matches(name, valid, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return cls(f"{kind} has no parameter '{name}'.{hint} It takes {listed(valid, 40)}.")


class SearchRefused(TrainingRefused):
    def __init__(self, metric: str, why: str) -> None:
        super().__init__(
            f"The search by {metric} found no best: {why}. Use another metric, fewer folds or more "
            "data."
        )


class FitRefused(TrainingRefused):
    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"The {kind} model could not be fitted: {why}")


def listed(names: Iterable[str], limit: int = SHOWN) -> str:
    """Names in quotes, at most ``limit``, the rest counted."""
    every = list(names)
    shown = ", ".join(f"'{name}'" for name in every[:limit])
    return shown if len(every) <= limit else f"{shown} and {len(every) - limit} more"
