"""A Dask scheduler and workers in processes of their own, as an operator starts them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.real_server import wait_until


@contextmanager
def running_scheduler(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A scheduler without workers, and its address."""
    file = folder / "scheduler.json"
    where = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file]
    with _running("dask_scheduler", *where) as process:
        wait_until(lambda: file.exists() and file.stat().st_size > 0, "no scheduler")
        yield process, json.loads(file.read_bytes())["address"]


@contextmanager
def running_worker(folder: Path, address: str) -> Iterator[subprocess.Popen[bytes]]:
    """A worker with one thread, which nothing replaces when it ends."""
    where = [address, "--host", "127.0.0.1", "--local-directory", folder]
    with _running("dask_worker", *where, "--nthreads", "1", "--no-nanny", "--no-dashboard") as one:
        yield one


@contextmanager
def _running(program: str, *arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{program}", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
