"""The counter in shared memory that announces changes to workers."""

import errno
import multiprocessing
import os
from pathlib import Path

import pytest

from registry.errors import StorageFull
from registry.live.counter import Counter


def test_an_increment_is_visible_in_every_mapping_of_the_file(tmp_path: Path) -> None:
    one, other = Counter(tmp_path / "run" / "counter"), Counter(tmp_path / "run" / "counter")

    one.bump()
    other.bump()

    assert (one.value, other.value) == (2, 2)
    one.close()
    other.close()


def test_concurrent_increments_by_processes_are_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "counter"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=bump, args=(path, 1000)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()

    counter = Counter(path)
    assert counter.value == 2000
    counter.close()


def test_the_file_of_the_counter_is_preallocated(tmp_path: Path) -> None:
    """A sparse file on a disk that is full by then ends the process with a SIGBUS."""
    path = tmp_path / "counter"
    with path.open("wb") as sparse:
        sparse.truncate(os.sysconf("SC_PAGE_SIZE"))
    Counter(path).close()
    assert path.stat().st_blocks > 0


def test_a_full_disk_is_reported_when_the_counter_is_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(StorageFull):
        Counter(tmp_path / "counter")


def bump(path: Path, times: int) -> None:
    """Bump the counter at ``path`` in this process."""
    counter = Counter(path)
    for _ in range(times):
        counter.bump()
    counter.close()
