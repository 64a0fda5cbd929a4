"""Prints gates and their results."""

from collections.abc import Iterator, Sequence
from typing import Any

from cli.formatting import interval, number
from cli.terminal import Column, print_table
from hotswap.replies import Gate
from registry.errors import Fault

_COLUMNS = [
    Column("Gate"),
    Column("Passed"),
    Column("Candidate", right=True),
    Column("Champion", right=True),
    Column("Interval"),
    Column("Measured"),
    Column("Reason"),
]


def print_gates(gates: Sequence[Gate]) -> None:
    """Write a table of the results of gates, with their figures, to stdout."""
    rows = [
        [
            gate.get("gate"),
            gate.get("passed"),
            gate.get("candidate"),
            gate.get("champion"),
            interval(gate.get("interval")),
            gate.get("measured"),
            gate.get("reason"),
        ]
        for gate in gates
    ]
    print_table(_COLUMNS, rows, "There are no gates.")


def trained_on(version: int, known: int | None, rows: int) -> str | None:
    """What is to be said of the rows of a holdout that ``version`` was trained on; None: nothing,
    since there are none."""
    if known is None:
        return (
            f"whether version {version} was trained on rows of this holdout is unknown: it has no "
            "hashes of its training rows."
        )
    if not known:
        return None
    return f"version {version} was trained on {known:,} of {rows:,} rows of this holdout."


def gate_faults(gates: Any) -> Iterator[Fault]:
    """A line for each gate of a problem: whether it passed, or why it failed."""
    for gate in gates if isinstance(gates, list) else ():
        if not isinstance(gate, dict):
            continue
        figures = ", ".join(
            f"{role} {number(gate[role])}"
            for role in ("candidate", "champion")
            if isinstance(gate.get(role), int | float)
        )
        said = "passed" if gate.get("passed") else str(gate.get("reason") or "failed")
        yield Fault(str(gate.get("gate", "")), f"{said} ({figures})" if figures else said)
