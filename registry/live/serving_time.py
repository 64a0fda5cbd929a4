"""How long the workers of this host have served, by the names of their sockets.

Connects to none of them, and removes none: that of a worker that was killed stays until the next
promotion, so the process is looked up too.
"""

import os
import time
from pathlib import Path

_NANOSECONDS = 10**9


def new_socket_path(directory: Path) -> Path:
    """The path of the socket of this process, a worker that begins to serve now."""
    return directory / f"{os.getpid()}-{time.monotonic_ns()}.sock"


def serving_seconds(directory: Path) -> float | None:
    """Seconds since the first of the workers that run began to serve; None where none runs.

    The workers of another PID namespace are not found.
    """
    now = time.monotonic_ns()
    began = [
        began
        for pid, began in (_of(path.stem) for path in directory.glob("*.sock"))
        # A later time than now is one of before the host was started again.
        if began <= now and Path(f"/proc/{pid}").exists()
    ]
    return (now - min(began)) / _NANOSECONDS if began else None


def _of(name: str) -> tuple[int, int]:
    """The process id in the name, and when it began to serve."""
    pid, _, began = name.partition("-")
    return int(pid), int(began)
