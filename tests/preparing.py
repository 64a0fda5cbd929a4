"""Prepares a service as its first worker does, in a thread."""

from collections.abc import Callable
from multiprocessing import Pipe
from threading import Thread

from cli.preparation import AdminToken, prepare_here, prepared_by
from config import Settings


def prepared(
    settings: Settings, hold: Callable[[], None] = lambda: None, *, keeps_schema: bool = False
) -> AdminToken | None:
    """What the main process is told. Raises CommandFailed."""
    ours, theirs = Pipe()
    worker = Thread(
        target=prepare_here, args=(settings, theirs), kwargs={"keeps_schema": keeps_schema}
    )
    worker.start()
    try:
        return prepared_by(ours, hold, lambda: False)
    finally:
        ours.close()
        worker.join(10)
