"""The processes of this machine, as tests look at them."""

import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

Found = TypeVar("Found")


def children(pid: int) -> list[int]:
    """The children of the process ``pid``, whichever of its threads started them."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def memory(pid: int) -> int:
    """The resident memory of a process in bytes, without what its children have."""
    kilobytes = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert kilobytes is not None
    return int(kilobytes[1]) * 1024


def zygotes(pid: int | None = None) -> list[int]:
    """The zygotes of the process ``pid``, or of this one."""
    return [
        child
        for child in children(os.getpid() if pid is None else pid)
        if is_alive(child)
        and b"registry.confinement.zygote" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]


def confined() -> set[int]:
    """The confined processes of this process, also those that are just ending."""
    return {child for zygote in zygotes() for child in children(zygote)}


def wait_for(condition: Callable[[], Found], seconds: float = 60) -> Found:
    """What ``condition`` gives, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found
