"""The counter in shared memory that tells workers that something changed."""

import multiprocessing
from pathlib import Path

from registry.serving.counter import Counter


def test_a_bump_is_seen_through_every_mapping_of_the_file(tmp_path: Path) -> None:
    one, other = Counter(tmp_path / "run" / "counter"), Counter(tmp_path / "run" / "counter")

    one.bump()
    other.bump()

    assert (one.value, other.value) == (2, 2)
    one.close()
    other.close()


def test_processes_that_bump_at_the_same_time_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "counter"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=bump, args=(path, 500)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    counter = Counter(path)
    assert counter.value == 2000
    counter.close()


def bump(path: Path, times: int) -> None:
    """Bump the counter at ``path`` in this process."""
    counter = Counter(path)
    for _ in range(times):
        counter.bump()
    counter.close()
