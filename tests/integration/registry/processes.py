"""What tests run in processes of their own: each function opens the database afresh."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from registry.operations.ensure_admin import ensure_admin
from registry.storage.database import Database
from registry.storage.schema import upgrade
from registry.storage.tables import ModelRow

# Forked from a process that has imported this module and has no threads, database or pytest in it.
_fresh = multiprocessing.get_context("forkserver")
_fresh.set_forkserver_preload([__name__])


def together(work: Callable[..., Any], calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """The results of ``work`` called with each of ``calls``, all at once, each in a process."""
    with _fresh.Manager() as manager:
        barrier = manager.Barrier(len(calls))
        # Unlike a Pool it tells when a process died, and does not wait for ever.
        with ProcessPoolExecutor(len(calls), mp_context=_fresh) as pool:
            begun = [pool.submit(work, barrier, *call) for call in calls]
            return [each.result() for each in begun]


def bring_up_to_date(barrier: Any, url: str) -> bool:
    database = Database(url)
    barrier.wait(30)
    try:
        return upgrade(database)
    finally:
        database.dispose()


def count_up(barrier: Any, url: str, model: str, times: int) -> None:
    database = Database(url)
    barrier.wait(30)
    for _ in range(times):
        with database.write() as session:
            row = session.get(ModelRow, model, with_for_update=True)
            row.generation = row.generation + 1
    database.dispose()


def make_admin(barrier: Any, url: str, file: Any, configured: str) -> str | None:
    database = Database(url)
    barrier.wait(30)
    try:
        return ensure_admin(database, file, configured)
    finally:
        database.dispose()
