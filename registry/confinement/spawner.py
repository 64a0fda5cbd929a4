"""The service's side: starts confined processes, exchanges messages with them, ends them."""

import logging
import mmap
import os
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from registry.confinement.channel import Deadline, MessageRefused, receive, receive_into, send
from registry.confinement.limits import Limits
from registry.confinement.zygote import BEGUN, NOT_CONFINED, PID_BYTES, Ready, Request

logger = logging.getLogger(__name__)

_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
"""The zygote forks, so it must have no other thread; its children cannot start any."""
ARITHMETIC = (
    *("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS"),
    *("NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "GLIBC_TUNABLES"),
)
"""Environment variables that select the instructions of OpenBLAS, MKL, numpy and the C library.
They affect the last bits of a sum, so a confined process has those of the service."""
_START_SECONDS = 60.0
"""Importing everything takes 3 s on an idle machine."""
_REQUEST_SECONDS = 10.0
_BEGIN_SECONDS = 60.0
"""A process begins about 8 ms after its request on an idle machine."""
_FORK_SECONDS = 60.0
"""A fork takes milliseconds, but ending the zygote ends all that it started."""
_END_SECONDS = 10.0
_MAX_READY = 65536
_MAX_STATUS = 1000
_TRIAL_SECONDS = 20.0


class SpawnFailed(Exception):
    """No confined process can be started; the message says why."""


class Confined:
    """A confined process. Leaving it as a context manager, or ``close``, ends it."""

    def __init__(self, connection: socket.socket, status: socket.socket) -> None:
        self._connection = connection
        self._status = status
        self._figures: BinaryIO | None = None
        self._inherited = 0

    def send(self, deadline: Deadline, *messages: bytes) -> None:
        """Raises TimeoutError, or OSError where it has ended."""
        send(self._connection, deadline, *messages)

    def receive(self, limit: int, deadline: Deadline) -> bytearray | None:
        """Its next message; None where it has ended.

        Raises MessageRefused where that is longer than ``limit`` or truncated, TimeoutError.
        """
        try:
            return receive(self._connection, limit, deadline)
        except ConnectionError:
            return None

    def receive_into(self, file: BinaryIO, limit: int, deadline: Deadline) -> int | None:
        """Write its next message to ``file`` and return its length; None where it has ended.

        Raises as ``receive`` does, and what writing to ``file`` raises.
        """
        try:
            return receive_into(self._connection, file, limit, deadline)
        except ConnectionError:
            return None

    def ended(self) -> str:
        """End it if it still runs. How it ended: the name of a signal, or 'no answer'.

        Raises SpawnFailed where it was not the cause: it could not be confined and so never ran,
        or its zygote was killed.
        """
        try:
            self._status.shutdown(socket.SHUT_WR)
            self._status.settimeout(_END_SECONDS)
            said = self._status.recv(_MAX_STATUS).decode()
        except OSError:
            said = ""
        if said.startswith(NOT_CONFINED):
            cause = said.removeprefix(NOT_CONFINED).partition("\n")[0]
            raise SpawnFailed(f"a process could not be confined: {cause}")
        if not said:
            raise SpawnFailed("its parent process has ended")
        return said

    def watch_memory(self, pid: int, parent: int) -> None:
        """Make ``memory`` available; ``parent`` is the process that it was forked from."""
        with suppress(OSError):  # it has ended, or this is not Linux
            with _figures_of(parent) as figures:
                self._inherited = _anonymous(figures)
            self._figures = _figures_of(pid)

    def memory(self) -> int:
        """The bytes that it has allocated since its fork; 0 where that is not known."""
        try:
            held = 0 if self._figures is None else _anonymous(self._figures)
        except OSError:
            return 0  # it has ended
        return max(0, held - self._inherited)

    def close(self) -> None:
        """End it now."""
        self._connection.close()
        self._status.close()
        if self._figures is not None:
            self._figures.close()
            self._figures = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Spawner:
    """Owns the zygote, which it starts for the first process and replaces when it has ended.

    The zygote imports ``modules`` before it forks. Safe to call from several threads. All that it
    started ends with it, and with the process that it is in.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self._modules = tuple(dict.fromkeys(modules))
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._missing: tuple[str, ...] = ()

    def spawn(self, entry: str, limits: Limits, files: Iterable[int] = ()) -> Confined:
        """Start a process that runs ``entry`` (``module:function``), confined, under ``limits``.

        It may read the open ``files``, which the caller closes. Returns once it runs: its own time
        does not include the import of the modules and the wait for a processor.

        Raises SpawnFailed.
        """
        ours, theirs = socket.socketpair()
        status, reporting = socket.socketpair()
        confined = Confined(ours, status)
        try:
            with theirs, reporting:
                request = msgspec.json.encode(Request(entry, limits))
                pid, zygote = self._ask(request, [theirs.fileno(), reporting.fileno(), *files])
            confined.watch_memory(pid, zygote)
            _wait_for_begin(confined)
        except BaseException:
            confined.close()
            raise
        return confined

    def missing(self) -> tuple[str, ...]:
        """The defences that this machine lacks, in words. Raises SpawnFailed."""
        with self._lock:
            self._running()
            return self._missing

    def close(self) -> None:
        """End the zygote and all that it forked."""
        with self._lock:
            self._stop()

    def _ask(self, request: bytes, files: list[int]) -> tuple[int, int]:
        """The ids of the new process and of the zygote."""
        with self._lock:
            try:
                pid = _request(self._running(), request, files)
            except OSError:
                # It has ended since its last request, and with it all that it had started.
                self._stop()
                try:
                    pid = _request(self._running(), request, files)
                except OSError as error:
                    self._stop()
                    raise SpawnFailed(f"the zygote accepts no request: {error}") from error
            assert self._process is not None  # noqa: S101 - it has answered
            return pid, self._process.pid

    def _running(self) -> socket.socket:
        """The socket to a zygote that is ready. The caller holds the lock."""
        if self._control is None:
            try:
                self._control = self._start()
            except (OSError, MessageRefused, msgspec.MsgspecError) as error:
                self._stop()
                raise SpawnFailed(f"the zygote does not start: {error}") from error
        return self._control

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                    [
                        # -P: its path is that of this process, without the working directory.
                        *(sys.executable, "-P", "-m", "registry.confinement.zygote"),
                        *(str(theirs.fileno()), *self._modules),
                    ],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for the service, which ends this one
                    env={
                        "PATH": os.defpath,
                        "PYTHONPATH": os.pathsep.join(sys.path),
                        **_ONE_THREAD,
                        **{name: os.environ[name] for name in ARITHMETIC if name in os.environ},
                    },
                )
            # If this process is killed, the zygote sees the end of the socket.
            weakref.finalize(self, _kill, self._process)
            ready = receive(ours, _MAX_READY, Deadline(_START_SECONDS))
            if ready is None:
                raise OSError("it ended before it was ready")
            self._missing = msgspec.json.decode(ready, type=Ready).missing
        except BaseException:
            ours.close()
            raise
        for line in self._missing:
            logger.info("confined processes lack a defence: %s", line)
        return ours

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            _kill(self._process)
        self._control = self._process = None


def missing_defences() -> list[str]:
    """The defences against uploaded files that this machine lacks, in words.

    Starts one confined process. Raises SpawnFailed with the cause where that fails.
    """
    spawner = Spawner(["registry.confinement.trial"])
    try:
        missing = list(spawner.missing())
        with spawner.spawn("registry.confinement.trial:answer", Limits()) as process:
            try:
                fault = process.receive(_MAX_STATUS, Deadline(_TRIAL_SECONDS))
            except TimeoutError as error:
                raise SpawnFailed(f"a process did not answer in {_TRIAL_SECONDS:g} s") from error
            if fault is None:
                raise SpawnFailed(f"a process ended before its answer ({process.ended()})")
        if fault:
            raise SpawnFailed(fault.decode(errors="replace"))
        return missing
    finally:
        spawner.close()


def _wait_for_begin(process: Confined) -> None:
    """Raises SpawnFailed where it does not begin."""
    try:
        said = process.receive(len(BEGUN), Deadline(_BEGIN_SECONDS))
    except TimeoutError as error:
        raise SpawnFailed(f"a process did not begin in {_BEGIN_SECONDS:g} s") from error
    if said is None:
        raise SpawnFailed(f"a process ended before it began ({process.ended()})")


def _request(control: socket.socket, request: bytes, files: list[int]) -> int:
    """The id of the requested process; 0 where there is none."""
    control.settimeout(_REQUEST_SECONDS)
    head = len(request).to_bytes(4)
    sent = socket.send_fds(control, [head + request], files)
    control.sendall((head + request)[sent:])
    control.settimeout(_FORK_SECONDS)
    answer = control.recv(PID_BYTES, socket.MSG_WAITALL)
    if len(answer) < PID_BYTES:
        raise OSError("it ended before it answered")
    return int.from_bytes(answer)


def _figures_of(pid: int) -> BinaryIO:
    """Linux's figures of the memory of a process. The open file never shows those of a later
    process with the same id."""
    return Path(f"/proc/{pid}/statm").open("rb", buffering=0)


def _anonymous(figures: BinaryIO) -> int:
    """The resident bytes not backed by a file. Raises OSError where the process has ended."""
    _, resident, shared, *_ = os.pread(figures.fileno(), _MAX_STATUS, 0).split()
    return (int(resident) - int(shared)) * mmap.PAGESIZE


def _kill(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
