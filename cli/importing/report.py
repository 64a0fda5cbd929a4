"""The report of an import: as JSON for programs, and as text for people."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import click

from cli.formatting import one_line
from cli.importing.plan import ModelStep
from cli.importing.sources import LeftOut
from cli.terminal import Column, print_table

COLUMNS = [
    Column("Model"),
    Column("To import", right=True),
    Column("Imported", right=True),
    Column("Already here", right=True),
    Column("Cannot come", right=True),
    Column("Aliases"),
]


def as_json(source: str, steps: Sequence[ModelStep], *, dry_run: bool) -> dict[str, Any]:
    """The outcome of each version and alias is ``planned``, ``imported``, ``present`` or
    ``refused``, the last with its ``reason``."""
    return {
        "source": source,
        "dry_run": dry_run,
        "complete": is_complete(steps),
        "models": [_model(step) for step in steps],
    }


def is_complete(steps: Sequence[ModelStep]) -> bool:
    """Whether every version and alias is here, or planned."""
    return not any(
        step.reason or any(each.outcome == "refused" for each in [*step.versions, *step.aliases])
        for step in steps
    )


def print_report(steps: Sequence[ModelStep]) -> None:
    """Print a line for each model, and one for all that did not come as it was."""
    print_table(COLUMNS, [_row(step) for step in steps], "The source has no models.")
    lines = [line for step in steps for line in _remarks(step)]
    if lines:
        click.echo()
    for line in lines:
        click.echo(one_line(line))


def _row(step: ModelStep) -> list[object]:
    counts = Counter(each.outcome for each in step.versions)
    shown = [each.alias for each in step.aliases if each.outcome != "refused"]
    names = ("planned", "imported", "present", "refused")
    return [step.name, *(counts[name] for name in names), shown]


def _remarks(step: ModelStep) -> Iterator[str]:
    if step.reason:
        yield f"{step.name}: not imported: {step.reason}"
    yield from (_left_out(step.name, each) for each in step.left_out)
    for version in step.versions:
        name = f"{step.name} {version.found.label}"
        if version.outcome == "refused":
            yield f"{name}: not imported: {version.reason}"
        elif version.is_renumbered:
            yield f"{name}: its number here is {version.number}."
        yield from (_left_out(name, each) for each in version.left_out)
    for alias in step.aliases:
        if alias.outcome == "refused":
            yield f"{step.name}@{alias.alias}: not set: {alias.reason}"


def _left_out(name: str, part: LeftOut) -> str:
    return f"{name}: without {part.what}: {part.why}"


def _model(step: ModelStep) -> dict[str, Any]:
    return {
        "model": step.name,
        "reason": step.reason or None,
        "left_out": _parts(step.left_out),
        "versions": [
            {
                "source": version.found.label,
                "outcome": version.outcome,
                "version": version.number,
                "renumbered": version.is_renumbered,
                "reason": version.reason or None,
                "left_out": _parts(version.left_out),
            }
            for version in step.versions
        ],
        "aliases": [
            {
                "alias": alias.alias,
                "source": alias.label,
                "outcome": alias.outcome,
                "version": alias.version.number if alias.version else None,
                "reason": alias.reason or None,
            }
            for alias in step.aliases
        ],
    }


def _parts(parts: Sequence[LeftOut]) -> list[dict[str, str]]:
    return [{"what": part.what, "why": part.why} for part in parts]
