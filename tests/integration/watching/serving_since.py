"""Workers that have served for as long as a test says."""

import os
import time
from pathlib import Path


def serve_since(run: Path, seconds: float, pid: int | None = None) -> None:
    """Have the process ``pid`` (default: this one) look like a worker that began to serve then."""
    began = time.monotonic_ns() - int(seconds * 1e9)
    (run / "workers").mkdir(parents=True, exist_ok=True)
    (run / "workers" / f"{pid or os.getpid()}-{began}.sock").touch()
