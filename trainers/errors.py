"""Everything that can stop a training, one class for each.

    TrainingRefused
    ├── RecipeRefused             the recipe itself is wrong
    ├── DataRefused               the data cannot be read
    │   ├── DataNotFound
    │   ├── BundledSetUnknown         sklearn:… that does not exist
    │   ├── DataEmpty                 no bytes, or only a header
    │   ├── TooFewRows
    │   ├── TableTooLarge             it would not fit in memory
    │   ├── EncodingRefused           not of its encoding
    │   ├── DataMalformed            of no known form, ragged rows
    │   ├── ExtraMissing              Parquet or Excel without the extra that reads it
    │   ├── HeaderRefused             a column without a name
    │   └── DuplicateColumns
    ├── ColumnNotFound
    ├── ColumnRefused             a feature that cannot be trained on
    │   └── CellsRefused              its texts can be read in several ways
    │       └── OddCells                  most of them are numbers, and some are not
    ├── ColumnsRefused            several of them
    ├── NoFeatures
    ├── TargetRefused             constant, or unsuitable for the task
    │   ├── TargetConstant
    │   ├── ClassTooRare
    │   └── TaskRefused               a task that this kind of model cannot do
    ├── SampleTooSmall            what was drawn cannot be trained on
    ├── ParameterRefused
    ├── KindUnavailable           the library of this kind of model is not installed
    ├── ClusterUnavailable        what connects to a cluster is not installed
    ├── SearchRefused             no candidate of a search could be measured
    ├── FitRefused                the estimator could not be fitted
    └── WarningsRefused           a strict recipe whose training has warnings

Each says what was wrong, where, and what to do.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Self

from hotswap.labels import listed
from registry.extras import Extra, missing
from trainers.toml_writer import key, value

SHOWN = 5


class TrainingRefused(Exception):
    """Base of all; the text is for the user who trains."""


class RecipeRefused(TrainingRefused):
    """``mistakes`` are all that were found, each with its key and, in a file, its line; ``source``
    names where they were found."""

    def __init__(self, mistakes: Sequence[str], source: str = "The recipe") -> None:
        self.mistakes = tuple(mistakes)
        self.source = source
        super().__init__(f"{source} cannot be used: {'; '.join(mistakes)}.")


class DataRefused(TrainingRefused):
    """Base of errors of the data as a whole."""


class DataNotFound(DataRefused):
    def __init__(self, source: str, why: str = "the file does not exist") -> None:
        super().__init__(
            f"Cannot read {source}: {why}. Give a file of data, or one of scikit-learn's "
            "data sets, such as sklearn:iris."
        )


class BundledSetUnknown(DataRefused):
    def __init__(self, name: str, known: Iterable[str]) -> None:
        offered = ", ".join(f"sklearn:{set_name}" for set_name in known)
        super().__init__(f"There is no bundled set sklearn:{name}. Available are {offered}.")


class DataEmpty(DataRefused):
    def __init__(self, source: str, what: str) -> None:
        super().__init__(f"{source} {what}. Data needs a header with column names, and rows.")


class TooFewRows(DataRefused):
    def __init__(self, source: str, rows: int, why: str) -> None:
        counted = "only one row" if rows == 1 else f"only {rows} rows"
        super().__init__(f"{source} has {counted} to train on; {why}.")


class TableTooLarge(DataRefused):
    """``needed`` and ``memory``: bytes; ``fitting``: of how many rows a sample would fit, None
    where none does."""

    def __init__(
        self, source: str, rows: int, needed: int, memory: int, *, fitting: int | None
    ) -> None:
        self.needed = needed
        advice = "Allow" if fitting is None else f"{_train_on_a_sample(fitting)}, or allow"
        super().__init__(
            f"Training on {rows:,} rows of {source} takes about {_amount(needed)} of memory, "
            f"and {_amount(memory)} are available. {advice} more with --memory."
        )


def _train_on_a_sample(rows: int) -> str:
    digit = 10 ** max(0, len(str(rows)) - 2)
    sample = rows // digit * digit  # rounded down to two digits: it is an estimate
    return f"Train on a sample: sample = {sample} in the recipe (--sample {sample})"


def _amount(count: int) -> str:
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


class EncodingRefused(DataRefused):
    def __init__(self, source: str, encoding: str, line: int, offset: int, byte: int) -> None:
        super().__init__(
            f"{source} is not {encoding.upper()}: line {line} holds the byte 0x{byte:02x} (byte "
            f"{offset} of the file). Give the encoding that it has, for example encoding = "
            "'windows-1252' (--encoding windows-1252)."
        )


class DataMalformed(DataRefused):
    def __init__(self, source: str, what: str, advice: str) -> None:
        super().__init__(f"{source} {what}. {advice}")


class ExtraMissing(DataRefused):
    """``what`` is the file, with its form, that cannot be read without ``extra``."""

    def __init__(self, extra: Extra, what: str) -> None:
        super().__init__(missing(extra, f"Reading the {what}"))


class HeaderRefused(DataRefused):
    def __init__(self, source: str, what: str, advice: str) -> None:
        super().__init__(f"The header of {source} {what}. {advice}")


class DuplicateColumns(DataRefused):
    def __init__(self, source: str, names: Iterable[str]) -> None:
        super().__init__(
            f"{source} has more than one column named {listed(names)}. Names must be unique: "
            "rename or remove the others."
        )


class ColumnNotFound(TrainingRefused):
    """``where`` begins the message: the line of the recipe that names the column."""

    def __init__(self, role: str, name: str, columns: Sequence[str], where: str = "") -> None:
        near = get_close_matches(name, columns, n=3) or [
            column for column in columns if column.strip().casefold() == name.strip().casefold()
        ]
        hint = (
            f"Did you mean {listed(near)}?" if near else f"The columns are {listed(columns, 20)}."
        )
        super().__init__(f"{where}The data has no column '{name}', named as {role}. {hint}")


class ColumnRefused(TrainingRefused):
    """``is_time``: refused because its dates cannot be read."""

    is_time = False

    def __init__(self, name: str, what: str, advice: str) -> None:
        self.column = name
        self.what = what
        self.advice = advice
        super().__init__(f"The column '{name}' {what}. {advice}")

    def at(self, where: str) -> Self:
        """The same, beginning with the line of the recipe that prepares the column."""
        self.args = (f"{where}{self}",)
        return self

    @classmethod
    def dates(cls, name: str, what: str, advice: str) -> Self:
        refused = cls(name, what, advice)
        refused.is_time = True
        return refused


class CellsRefused(ColumnRefused):
    """The texts in a column can be read in several ways; a setting decides."""


class OddCells(CellsRefused):
    """Most values of a column are numbers. ``odd`` are the others with their counts, the most
    frequent first."""

    def __init__(self, name: str, numbers: int, odd: Sequence[tuple[str, int]]) -> None:
        self.numbers, self.odd = numbers, odd
        rest = sum(count for _, count in odd)
        shown = [literal(text) for text, _ in odd[:SHOWN]]
        keep = f"keep the column as text: {declaring(name, 'category')}."
        if len(odd) > SHOWN:
            others = f"{rest:,} are not, such as {', '.join(shown)}"
            advice = f"To {keep}"
        else:
            counts = [
                f"{count:,} {'is' if count == 1 else 'are'} {text}"
                for text, (_, count) in zip(shown, odd, strict=True)
            ]
            others = ", ".join(counts)
            flags = " ".join(f"--na-values {text}" for text in shown)
            named = ", ".join(shown)
            advice = f"To treat {named} as missing: na_values = [{named}] ({flags}). To {keep}"
        what = f"{numbers:,} of {numbers + rest:,} values are numbers; {others}"
        super().__init__(name, what, advice)
        self.args = (f"{name}: {what}. {advice}",)


class ColumnsRefused(TrainingRefused):
    """``refusals`` are those of several columns."""

    def __init__(self, refusals: Sequence[ColumnRefused]) -> None:
        self.refusals = tuple(refusals)
        said = " ".join(map(str, refusals))
        super().__init__(f"{len(refusals)} columns cannot be learnt from as they are. {said}")


class NoFeatures(TrainingRefused):
    def __init__(self) -> None:
        super().__init__(
            "No column is left to learn from except the target. Exclude or drop fewer columns."
        )


class TargetRefused(TrainingRefused):
    def __init__(self, name: str, what: str, advice: str) -> None:
        super().__init__(f"The target '{name}' {what}. {advice}")


class TargetConstant(TargetRefused):
    def __init__(self, name: str, value: object) -> None:
        super().__init__(
            name,
            f"is {value!r} in every row",
            "A model cannot learn from it: choose another target or other rows.",
        )


class ClassTooRare(TargetRefused):
    def __init__(self, name: str, classes: Sequence[str]) -> None:
        one = len(classes) == 1
        super().__init__(
            name,
            f"has a single row of the class {listed(classes)}"
            if one
            else f"has {len(classes)} classes with a single row: {listed(classes)}",
            "A class needs at least two rows, one to train and one to test: add rows, merge the "
            "class with another, or leave it out. If the target is a quantity, set "
            'task = "regression".',
        )


class TaskRefused(TargetRefused):
    """The requested kind of model cannot predict such a target."""


class SampleTooSmall(TrainingRefused):
    """``why``: what is wrong with the ``rows`` rows that were drawn from ``of``."""

    def __init__(self, rows: int, of: int, why: TrainingRefused) -> None:
        super().__init__(
            f"A sample of {rows:,} of {of:,} rows was drawn. {why} Or draw a larger sample, if the "
            "other rows have what it lacks: sample in the recipe (--sample)."
        )


class ParameterRefused(TrainingRefused):
    """A parameter that the estimator does not have, or a value that it does not allow."""

    @classmethod
    def unknown(cls, name: str, kind: str, valid: Sequence[str]) -> "ParameterRefused":
        near = get_close_matches(name, valid, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        return cls(
            f"{kind} has no parameter '{name}'.{hint} Its parameters are {listed(valid, 40)}."
        )


class KindUnavailable(TrainingRefused):
    """A kind of model whose library cannot be imported here."""


class ClusterUnavailable(TrainingRefused):
    """A cluster is requested where the extra that connects to one is not installed."""


class SearchRefused(TrainingRefused):
    def __init__(self, metric: str, why: str) -> None:
        super().__init__(
            f"The search by {metric} found no best candidate: {why}. Use another metric, fewer "
            "folds or more data."
        )


class FitRefused(TrainingRefused):
    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"The {kind} model could not be fitted: {why}")


class WarningsRefused(TrainingRefused):
    def __init__(self, warnings: Sequence[str]) -> None:
        self.warnings = tuple(warnings)
        super().__init__(
            f"The recipe is strict, and the training has warnings: {'. '.join(warnings)}. Correct "
            "the data or the recipe, or set strict = false."
        )


def declaring(name: str, type_: str) -> str:
    """How the type of a column is declared, in a recipe and as an option."""
    return f"columns.{key(name)}.type = '{type_}' (--prepare '{name}.type={type_}')"


def literal(text: str) -> str:
    """``text`` in single quotes, which both TOML and a shell read; in TOML's double quotes where it
    cannot stand in these."""
    return f"'{text}'" if text.isprintable() and "'" not in text else value(text)
