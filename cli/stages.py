"""Shows on stderr what is being done and for how long; silent where nobody watches."""

import sys
from types import TracebackType
from typing import Self


class Stages:
    """A spinner with the present stage and the time since the start, on a terminal only.

    Used as a context manager; called with the name of each stage as it begins. It leaves nothing
    on the screen.
    """

    def __init__(self) -> None:
        self._progress = None
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._progress = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", markup=False),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task("", total=None)

    def __call__(self, stage: str) -> None:
        if self._progress is not None:
            self._progress.update(self._task, description=stage)

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
