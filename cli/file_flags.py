"""The options that say how a file of data is written."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import click

if TYPE_CHECKING:  # other commands must not wait for what training imports
    from trainers.file_settings import FileSettings


class FileFlags(TypedDict):
    """None or empty for those that were not given."""

    na_values: tuple[str, ...]
    thousands: str | None
    decimal: str | None
    delimiter: str | None
    encoding: str | None
    sheet: str | None


FILE_FLAGS = [
    click.option(
        "--na-values",
        metavar="TEXT",
        multiple=True,
        help="Cell that means a missing value, besides empty ones and NA; may be repeated.",
    ),
    click.option("--thousands", metavar="SIGN", help="Sign between groups of digits: , . ' or _"),
    click.option("--decimal", metavar="SIGN", help="Decimal sign: . or ,"),
    click.option("--delimiter", metavar="SIGN", help="Sign between columns; tab for tabs."),
    click.option("--encoding", metavar="NAME", help="Encoding of a text file: windows-1252, …"),
    click.option("--sheet", metavar="NAME", help="Sheet of an Excel workbook."),
]
"""Without them, all are found from the content."""


def file_flags(command: Callable[..., None]) -> Callable[..., None]:
    """Add FILE_FLAGS to ``command``."""
    for flag in reversed(FILE_FLAGS):
        command = flag(command)
    return command


def file_keys(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a recipe that the options set."""
    given = {key: flags[key] for key in FileFlags.__annotations__ if flags[key]}
    if given.get("delimiter") in {"tab", "\\t"}:
        given["delimiter"] = "\t"
    return {key: list(value) if key == "na_values" else value for key, value in given.items()}


def file_settings(flags: Mapping[str, Any]) -> "FileSettings":
    """The settings of a file that the options give. Raises UsageError for a wrong value."""
    from trainers.file_settings import FileSettings

    settings = FileSettings(**file_keys(flags))
    for (key,), said in settings.mistakes():
        raise click.UsageError(f"--{key.replace('_', '-')}: {said}.")
    return settings
