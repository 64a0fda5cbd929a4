"""The hold on a data directory: one ``hotswap serve`` at a time uses it.

The main process locks a file (flock(2)) and writes there who it is. The lock belongs to the open
file, so it can be handed to a successor with no moment in between, and ends with its last holder,
however that ends. What the file says counts only while it is locked.
"""

import fcntl
import json
import os
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.exits import SAID_NO, CommandFailed
from registry.storage.durable import make_directory

HELD_SECONDS = 5.0
"""How long to wait for a service that is about to end."""

_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """A main process: its id on ``host``, when it started to serve, and its address."""

    pid: int
    host: str
    since: str
    address: str

    @classmethod
    def this_process(cls, address: str) -> "Holder":
        """This process, which starts to serve at ``address`` now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(os.getpid(), socket.gethostname(), now, address)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, serving at {self.address} since {self.since}"


class Hold:
    """The lock on a data directory, held while this object is open."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def acquire(
        cls,
        data: Path,
        run: Path | None = None,
        *,
        create: bool = True,
        patience: float = HELD_SECONDS,
    ) -> "Hold | None":
        """Lock ``data``; None if it was never served from and ``create`` is false. ``run``: the
        run folder, if it is not in ``data``.

        Raises CommandFailed if another service holds it for longer than ``patience`` seconds.
        """
        deadline = time.monotonic() + patience
        path = _path(data, run)
        flags = os.O_RDWR | os.O_CLOEXEC
        if create:
            make_directory(path.parent)
            flags |= os.O_CREAT
        try:
            descriptor = os.open(path, flags, 0o600)
        except FileNotFoundError:
            return None
        while not _try_to_lock(descriptor):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise held(data, run)
            time.sleep(0.1)
        return cls(descriptor)

    def record(self, address: str) -> None:
        """Write that this process holds the directory and serves at ``address``."""
        text = json.dumps(asdict(Holder.this_process(address))).encode()
        os.ftruncate(self.descriptor, 0)
        os.pwrite(self.descriptor, text, 0)

    def close(self) -> None:
        """End the hold, unless another process has it too."""
        os.close(self.descriptor)


def is_held(data: Path, run: Path | None = None) -> bool:
    """Whether a service holds ``data``."""
    try:
        descriptor = os.open(_path(data, run), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _try_to_lock(descriptor)
    finally:
        os.close(descriptor)


def held(data: Path, run: Path | None = None) -> CommandFailed:
    """The error that ``data`` is held, and by whom."""
    holder = "another service"
    with suppress(OSError, ValueError, TypeError):  # it is just being written
        holder = str(Holder(**json.loads(_path(data, run).read_bytes()[:_LONGEST])))
    shared = run is not None and run != data / "run"
    where = f"directory {run} (HOTSWAP_RUN)" if shared else f"data directory {data}"
    other = "set HOTSWAP_RUN to another one" if shared else "choose another one with --data"
    return CommandFailed(
        f"The {where} is in use by {holder}.",
        SAID_NO,
        advice="Stop that service first, replace it without a gap with 'hotswap serve --take-over',"
        f" or {other}.",
    )


def _path(data: Path, run: Path | None) -> Path:
    return (run or data / "run") / "serve.lock"


def _try_to_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
