"""Faulty ways to split an alias, each the real one with one line changed."""

from pathlib import Path
from types import ModuleType
from typing import Any

from registry.operations import split_alias, split_rows
from registry.splits import buckets
from tests.faults.registries import SplitAlias


def assigns_buckets_anew() -> SplitAlias:
    """When weights change, all buckets are assigned in the order of the versions."""
    rows = _mutated(split_rows, "changed_ranges(before, weights) if arms else first", "first")
    return _splitting(write_split=rows.write_split)


def takes_the_lowest_buckets_away() -> SplitAlias:
    """A version that shrinks loses as many buckets as it should, but other ones."""
    other = _mutated(
        buckets,
        "number: _lowest(ranges[number], weight)",
        "number: _without_lowest(ranges[number], size(ranges[number]) - weight)",
    )
    rows = _mutated(split_rows, changed_ranges=other.changed_ranges)
    return _splitting(write_split=rows.write_split)


def evaluates_the_gates_of_one_version() -> SplitAlias:
    """Of several new versions, only the first has to pass its gates."""
    return _splitting("for inputs in plan.new\n", "for inputs in plan.new[:1]\n")


def takes_a_new_salt() -> SplitAlias:
    """Every change of the weights takes another salt, so that all keys may change their version."""
    rows = _mutated(split_rows, "    if alias.split_salt is None:\n    ", "")
    return _splitting(write_split=rows.write_split)


def _splitting(line: str = "", fault: str = "", **replaced: object) -> SplitAlias:
    split: SplitAlias = _mutated(split_alias, line, fault, **replaced).split_alias
    return split


def _mutated(module: ModuleType, line: str = "", fault: str = "", **replaced: object) -> Any:
    """``module`` with ``fault`` in place of ``line``, and with other objects for some names."""
    source = Path(module.__file__ or "").read_text()
    if line:
        assert source.count(line) == 1, f"{module.__name__} no longer has {line!r}, once"
        source = source.replace(line, fault)
    made = ModuleType(module.__name__)
    exec(compile(source, f"<mutant of {module.__name__}>", "exec"), vars(made))  # noqa: S102
    vars(made).update(replaced)
    return made
