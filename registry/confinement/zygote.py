"""The process that confined ones are forked from: it has imported all that they need.

Started as ``python -m registry.confinement.zygote FD MODULE…`` with one end of a socket pair as FD.
It imports the modules, provides a locale, isolates itself, and sends over FD which defences the
machine lacks. Each request that follows names the function to run and its limits, and carries the
child's end of a channel, one end of a socket for its status, and any files that it may read. The
reply is the child's process id in four bytes, 0 where there is none. The status socket reports how
the child ended; closing its other end kills the child. The end of FD ends everything.
"""

import gc
import importlib
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from registry.confinement.channel import Channel
from registry.confinement.confine import confine
from registry.confinement.limits import Limits
from registry.confinement.locales import provide_locale
from registry.confinement.namespaces import make_folder, remove_folder
from registry.confinement.plan import Plan, candidates, isolate, readable_paths, shortcomings

NOT_CONFINED = "not confined: "
"""The prefix of the status of a child that could not be confined, and so has run nothing. The cause
follows, up to the end of the line."""

BEGUN = b""
"""The first message of a child: it is confined, and runs what was requested."""
PID_BYTES = 4
"""The length of the reply to a request."""

_HEAD = 4
_MAX_FILES = 8
_FIRST_TO_GO = "1000"
"""An oom_score_adj: the kernel ends this process and its children first when memory runs out."""


Entry = Callable[[Channel, list[int]], object]
"""What runs confined: takes a channel and the open files of the request."""


class Request(msgspec.Struct, frozen=True):
    """``entry`` is ``module:function``, an Entry."""

    entry: str
    limits: Limits


class Ready(msgspec.Struct, frozen=True):
    """What the zygote sends once it accepts requests; ``missing`` as in Plan."""

    missing: tuple[str, ...]


@dataclass(slots=True)
class _Child:
    place: int
    status: socket.socket
    folder: Path | None


def main() -> None:
    """Serve until the socket named on the command line ends."""
    descriptor, *modules = sys.argv[1:]
    _schedule_as_usual()
    with socket.socket(fileno=int(descriptor)) as control:
        for module in modules:
            importlib.import_module(module)
        provide_locale()
        with suppress(OSError):  # /proc may be missing
            Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO)
        plan = _make_plan()
        with suppress(BrokenPipeError):  # the parent has ended, and needs no answer
            Channel(control.fileno()).send(msgspec.json.encode(Ready(plan.missing)))
        # A child that looked through all of this for garbage would copy every page of it.
        gc.collect()
        gc.freeze()
        Zygote(control, plan).serve()


def _schedule_as_usual() -> None:
    """Undo the policy that a busy worker's threads have for a while, which a child inherits: a
    process that runs a model is woken for each prediction."""
    if sys.platform == "linux" and os.sched_getscheduler(0) == os.SCHED_BATCH:
        with suppress(OSError):  # not permitted: predictions take longer beside busy processes
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Zygote:
    """Forks children on request and reports how they ended."""

    def __init__(self, control: socket.socket, plan: Plan) -> None:
        self._control = control
        self._plan = plan
        self._children: dict[int, _Child] = {}
        self._events = selectors.DefaultSelector()

    def serve(self) -> None:
        """Serve until the control socket ends; then no child is left."""
        woken, wakes = socket.socketpair()
        woken.setblocking(False)
        wakes.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        self._events.register(self._control, selectors.EVENT_READ)
        self._events.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in self._events.select():
                if key.fileobj is self._control:
                    if not self._take_request():
                        self._end_all()
                        return
                elif key.fileobj is woken:
                    with suppress(BlockingIOError):
                        woken.recv(4096)
                else:
                    self._kill(key.data)
            self._reap()

    def _take_request(self) -> bool:
        """Fork the requested child. False where the control socket has ended."""
        try:
            head, files, _, _ = socket.recv_fds(self._control, _HEAD, _MAX_FILES)
            rest = b""
            while head and len(rest) < int.from_bytes(head):
                part = self._control.recv(int.from_bytes(head) - len(rest))
                head, rest = part and head, rest + part
        except ConnectionError:
            return False
        if not head:
            return False
        channel, status, *given = files
        pid = 0
        with socket.socket(fileno=status) as reporting:
            try:
                pid = self._fork(msgspec.json.decode(rest, type=Request), channel, reporting, given)
            except OSError as error:
                _report_not_confined(reporting, error)
        with suppress(OSError):  # its end is seen at the next request
            self._control.sendall(pid.to_bytes(PID_BYTES))
        for descriptor in (channel, *given):
            os.close(descriptor)
        return True

    def _fork(
        self, request: Request, channel: int, reporting: socket.socket, given: list[int]
    ) -> int:
        """The id of the child. Raises OSError where the system allows no more processes or
        folders."""
        taken = {child.place for child in self._children.values()}
        place = next(number for number in range(len(taken) + 1) if number not in taken)
        user, group = self._plan.user(place), self._plan.group(place)
        size = request.limits.folder
        folder = make_folder(place, user, group, size) if self._plan.folders else None
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError:
            if folder is not None:
                remove_folder(folder)
            raise
        if pid == 0:
            with _never_returning():
                _release(keep={channel, reporting.fileno(), *given})
                function = _find(request.entry)
                with reporting, _reporting_not_confined(reporting):
                    confine(self._plan, request.limits, user, folder, parent)
                own_end = Channel(channel)
                own_end.send(BEGUN)
                function(own_end, given)
        status = reporting.dup()
        self._children[pid] = _Child(place, status, folder)
        self._events.register(status, selectors.EVENT_READ, pid)
        return pid

    def _kill(self, pid: int) -> None:
        """End the child whose status socket was closed; no bytes are sent on it."""
        child = self._children.get(pid)
        if child is not None:
            os.kill(pid, signal.SIGKILL)
            with suppress(KeyError):
                self._events.unregister(child.status)

    def _reap(self) -> None:
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if (child := self._children.pop(pid, None)) is not None:
                self._report_end(child, status)

    def _report_end(self, child: _Child, status: int) -> None:
        with suppress(KeyError):
            self._events.unregister(child.status)
        if child.folder is not None:
            remove_folder(child.folder)
        with child.status, suppress(OSError):  # the other side may be closed
            child.status.send(_how(status).encode())

    def _end_all(self) -> None:
        for pid, child in self._children.items():
            os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            self._report_end(child, status)


def _make_plan() -> Plan:
    """Isolate this process, and find out by trial how its children can be confined."""
    readable = readable_paths()
    folders, missing = isolate(readable)
    plan = next(plan for plan in candidates(readable, folders=folders) if _works(plan))
    return replace(plan, missing=(*missing, *shortcomings(plan)))


def _works(plan: Plan) -> bool:
    """Whether a child can be confined by ``plan`` and still read ``plan.readable``."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        with _never_returning():
            confine(plan, Limits(), plan.user(0), None, parent)
            for path in plan.readable:
                next(path.iterdir(), None) if path.is_dir() else path.open("rb").close()
    return os.waitpid(child, 0)[1] == 0


@contextmanager
def _never_returning() -> Iterator[None]:
    """End the process at the end of the block, also after an exception."""
    code = 1
    try:
        yield
        code = 0
    finally:
        os._exit(code)


@contextmanager
def _reporting_not_confined(status: socket.socket) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a limit above the one of this process
        _report_not_confined(status, error)
        raise


def _report_not_confined(status: socket.socket, error: Exception) -> None:
    with suppress(OSError):  # the other side may be closed
        status.send(f"{NOT_CONFINED}{error}\n".encode())


def _release(keep: set[int]) -> None:
    """Close every open file but ``keep``, and redirect the standard streams to /dev/null."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(1, 2)  # the zygote's own output goes to /dev/null
    start = 3
    for descriptor in sorted(keep):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def _find(entry: str) -> Entry:
    module, _, name = entry.partition(":")
    found: Entry = getattr(importlib.import_module(module), name)
    return found


def _how(status: int) -> str:
    """How a child ended, by the status that ``waitpid`` returned."""
    if os.WIFSIGNALED(status):
        try:
            return signal.Signals(os.WTERMSIG(status)).name
        except ValueError:  # one of those that have only a number
            return f"signal {os.WTERMSIG(status)}"
    return "no answer"


if __name__ == "__main__":
    main()
