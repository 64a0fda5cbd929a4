"""Prints rich tables on a terminal, plain lines into a pipe, and JSON for programs.

Text is printed literally, never as markup, and control characters are escaped.
"""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from cli.formatting import cell

if TYPE_CHECKING:
    from rich.progress import Progress

_SURROGATE = re.compile("[\ud800-\udfff]")
"""What names of files and texts of JSON may contain, and UTF-8 cannot."""


class Display:
    """Shows the progress of a command while its block runs; without a terminal there is none."""

    _progress: "Progress | None" = None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; ``right``: aligned right, for numbers."""

    title: str
    right: bool = False


def print_json(value: object) -> None:
    """Write ``value`` to stdout as JSON, and nothing else."""
    # Line by line: with PYTHONUNBUFFERED, Python does not report a large write that breaks off.
    for line in json.dumps(value, indent=2, ensure_ascii=False).split("\n"):
        encodable = _SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
        sys.stdout.write(f"{encodable}\n")


def print_table(columns: Sequence[Column], rows: Iterable[Sequence[object]], empty: str) -> None:
    """Write a table to stdout, or, if it has no rows, the text ``empty`` to stderr."""
    cells = [[cell(value) for value in row] for row in rows]
    if not cells:
        click.echo(empty, err=True)
    elif sys.stdout.isatty():
        _print_rich(columns, cells)
    else:
        _print_plain(columns, cells)


def print_pairs(pairs: Mapping[str, object]) -> None:
    """Write names and values to stdout, one pair per line."""
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        label = f"{name:<{width}}"
        styled = click.style(label, bold=True) if sys.stdout.isatty() else label
        click.echo(f"{styled}  {cell(value)}")


def print_heading(text: str) -> None:
    """Write a heading, after an empty line."""
    click.echo(f"\n{text}")


def _print_plain(columns: Sequence[Column], rows: list[list[str]]) -> None:
    lines = [[column.title.upper() for column in columns], *rows]
    widths = [max(len(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        fields = [
            text.rjust(width) if column.right else text.ljust(width)
            for text, width, column in zip(line, widths, columns, strict=True)
        ]
        click.echo("  ".join(fields).rstrip())


def _print_rich(columns: Sequence[Column], rows: list[list[str]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.title, justify="right" if column.right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(text) for text in row))
    Console().print(table)
