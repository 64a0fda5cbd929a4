"""``hotswap predict --out``: predicts a file to a file, and shows the progress."""

import sys
import time

import click

from cli.exits import WRONG_USAGE, CommandFailed
from cli.formatting import one_line
from cli.names import Reference
from cli.terminal import Display, print_json
from hotswap import Registry, predict_file
from hotswap.errors import ClientError, FileRefused, NotFound, UnfinishedRun

LINE_SECONDS = 10.0
"""Between two lines of progress where stderr is no terminal."""


def predict_to_file(
    registry: Registry,
    reference: Reference,
    data: str,
    out: str,
    *,
    keep: tuple[str, ...],
    probabilities: bool,
    scores: bool,
    resume: bool,
    in_flight: int,
    scheduler: str | None,
    as_json: bool,
) -> None:
    """Predict the file ``data`` to ``out``. Raises CommandFailed and ClientError."""
    began = time.monotonic()
    progress = FileProgress()
    try:
        with progress:
            done = predict_file(
                registry,
                reference.name,
                data,
                out,
                version=reference.version,
                keep=keep,
                probabilities=probabilities,
                scores=scores,
                resume=resume,
                in_flight=in_flight,
                scheduler=scheduler,
                progress=progress,
            )
    except (FileRefused, UnfinishedRun) as error:
        text = str(error).replace("with resume", "with --resume")
        raise CommandFailed(text, WRONG_USAGE) from error
    except (ClientError, OSError, KeyboardInterrupt) as error:
        if progress.rows or progress.resumed:
            click.echo(_advice(error, out), err=True)
        raise
    seconds = time.monotonic() - began
    rate = progress.rows / seconds
    if as_json:
        print_json(
            {
                "model": done.model,
                "version": done.version,
                "rows": done.rows,
                "out": done.out,
                "seconds": round(seconds, 3),
                "rows_per_second": round(rate),
            }
        )
    else:
        click.echo(
            f"{one_line(out)}: {done.rows:,} rows, {one_line(done.model)} version {done.version}, "
            f"{seconds:.1f} s, {rate:,.0f} rows/s",
            err=True,
        )


def _advice(error: BaseException, out: str) -> str:
    """What can be done with the finished part of a run that ended with ``error``."""
    if isinstance(error, NotFound):  # an archived version cannot be used again
        return f"Delete {one_line(out)}.parts to start again with another version."
    return "The finished part is kept. Run the command again with --resume."


class FileProgress(Display):
    """A progress bar with rows/s and the time left on a terminal, else a line every ten seconds.

    Used as a context manager, and called by ``predict_file`` after each chunk.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.resumed = 0
        self._begun_at = 0.0
        self._end = 0.0
        self._began = self._shown = time.monotonic()
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

            self._progress = Progress(
                BarColumn(bar_width=24),
                TaskProgressColumn(),
                TextColumn("{task.description}", markup=False),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task("", total=1.0)

    def __call__(self, rows: int, end: float, *, resumed: bool) -> None:
        """Count ``rows`` more rows, up to the fraction ``end`` of the file."""
        self._end = max(self._end, end)
        if resumed:
            self.resumed += rows
            self._begun_at = max(self._begun_at, end)
        else:
            self.rows += rows
        if self._progress is not None:
            self._progress.update(self._task, completed=self._end, description=self.line())
        elif time.monotonic() - self._shown >= LINE_SECONDS:
            self._shown = time.monotonic()
            click.echo(f"{self._end:.0%}, {self.line()}", err=True)

    def line(self) -> str:
        """Rows, rows/s of this process, and the time that the rest takes at this speed."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        text = f"{self.rows + self.resumed:,} rows, {self.rows / seconds:,.0f} rows/s"
        if not self.rows or self._end <= self._begun_at:
            return text
        left = seconds * (1 - self._end) / (self._end - self._begun_at)
        minutes, rest = divmod(round(left), 60)
        return f"{text}, {minutes}:{rest:02} left"
