"""Shows the current step and its duration on stderr, if that is a terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from cli.formatting import one_line
from cli.terminal import Display

Stage = Callable[[str], None]
"""Called with the name of each stage as it begins."""
Progress = Callable[[int, int], None]
"""Called with the number of parts of a stage that are done, and of all its parts."""


class Stages(Display):
    """The current stage and its duration: a progress bar where the amount is known, else a spinner.

    Used as a context manager; called with the name of each stage as it begins. Prints only to a
    terminal, and removes its output at the end.
    """

    def __init__(self) -> None:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                Progress,
                SpinnerColumn,
                TextColumn,
                TimeElapsedColumn,
                TimeRemainingColumn,
            )

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task("", total=None)

    def __call__(self, stage: str) -> None:
        if self._progress is not None:
            # A new task, because the progress of the last one does not apply.
            self._progress.remove_task(self._task)
            self._task = self._progress.add_task(one_line(stage), total=None)

    @property
    def progress(self) -> Callable[[int, int], None] | None:
        """Called with the number of parts done and of all parts; None without a terminal."""
        return None if self._progress is None else self._show

    def _show(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress.update(self._task, completed=done, total=total)


class Lines:
    """Prints each stage on a line of its own and, where the amount is known, how much of it is done
    at most every ``seconds``."""

    def __init__(self, seconds: float = 30.0) -> None:
        self._seconds = seconds
        self._printed = time.monotonic()

    def __call__(self, stage: str) -> None:
        self._print(f"{one_line(stage)} …")

    def progress(self, done: int, total: int) -> None:
        if time.monotonic() - self._printed >= self._seconds:
            self._print(f"{done:,} of {total:,} done …")

    def _print(self, line: str) -> None:
        self._printed = time.monotonic()
        click.echo(line, err=True)


@contextmanager
def stages_or_lines() -> Iterator[tuple[Stage, Progress | None]]:
    """How the stages are shown: by a progress bar on a terminal, else one per line for CI logs."""
    if sys.stderr.isatty():
        with Stages() as stages:
            yield stages, stages.progress
    else:
        lines = Lines()
        yield lines, lines.progress
