"""What a file that has taken over its confined process might try. Each returns only if it succeeds.

``answer`` runs in the confined process: it is told the name of an attempt and its arguments.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from registry.confinement.channel import Channel

# Found before it is confined: afterwards there is nothing to find it in.
LIBC = ctypes.CDLL(None, use_errno=True)


def answer(channel: Channel, files: list[int]) -> None:
    """Make the requested attempt, report what came of it, and stay until the channel closes.

    A process that ended at once could give its user to the next one while the test still compares
    the two.
    """
    asked = json.loads(channel.receive() or b"{}")
    said: dict[str, Any] = {"succeeded": False, "error": ""}
    try:
        said["result"] = ATTEMPTS[asked["attempt"]](*asked["arguments"])
        said["succeeded"] = True
    except BaseException as error:  # noqa: BLE001 - told to the test
        said["error"] = f"{type(error).__name__}: {error}"
    channel.send(json.dumps(said, default=str).encode())
    channel.receive()


def read(path: str) -> str:
    return Path(path).read_bytes()[:20].hex()


def list_folder(path: str) -> list[str]:
    return [str(entry) for entry in Path(path).iterdir()]


def write(path: str) -> None:
    Path(path).write_text("was here")


def write_into_own_folder() -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"x" * 1000)
        return file.name


def fill_own_folder(size: int) -> None:
    chunk = bytes(2**20)
    with Path("one").open("wb") as file:
        file.writelines(chunk for _ in range(size // len(chunk)))


def fill_own_folder_with_many(size: int) -> None:
    for number in range(size // 2**20):
        Path(f"part-{number}").write_bytes(bytes(2**20))


def make_files(count: int) -> None:
    for number in range(count):
        Path(f"empty-{number}").touch()


def call(name: str, *arguments: int) -> int:
    """A function of the C library, for what Python keeps to itself."""
    result = int(getattr(LIBC, name)(*arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def system_call(number: int, *arguments: int) -> int:
    return call("syscall", *[ctypes.c_long(each) for each in (number, *arguments)])  # type: ignore[list-item]


def reach(family: str, kind: str, address: Any) -> None:
    with socket.socket(socket.AddressFamily[family], socket.SocketKind[kind]) as made:
        made.settimeout(5)
        made.connect(tuple(address) if isinstance(address, list) else address)
        made.send(b"was here")


def listen(address: str) -> None:
    with socket.socket() as made:
        made.bind((address, 0))
        made.listen()


def pair_with_itself() -> None:
    first, second = socket.socketpair()
    first.send(b"x")
    second.recv(1)


def fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


def start_program() -> None:
    subprocess.run(["/bin/true"], check=True)


def replace_itself() -> None:
    os.execv(sys.executable, [sys.executable, "-c", ""])  # noqa: S606 - what it tries


def start_thread() -> None:
    thread = threading.Thread(target=lambda: None)
    thread.start()
    thread.join()


def kill(pid: int, number: int) -> None:
    os.kill(pid, number)


def signal_by_terminal_input(pid: int) -> None:
    """Have the kernel send a signal, to an owner of a pipe."""
    import fcntl

    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETOWN, pid)
    fcntl.fcntl(reading, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writing, b"x")


def read_memory_of(pid: int) -> str:
    class Piece(ctypes.Structure):
        _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]

    target = ctypes.create_string_buffer(8)
    local = Piece(ctypes.addressof(target), 8)
    remote = Piece(ctypes.addressof(target), 8)
    call("process_vm_readv", pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)  # type: ignore[arg-type]
    return target.raw.hex()


def allocate(size: int) -> int:
    kept = bytearray(size)
    return len(kept)


def map_memory(size: int) -> None:
    mmap.mmap(-1, size)


def raise_limit(name: str) -> None:
    kind = getattr(resource, name)
    resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def open_many(count: int) -> None:
    for _ in range(count):
        os.dup(0)


def become_root() -> None:
    os.setresuid(0, 0, 0)


def spin() -> None:
    while True:
        pass


def spin_and_ignore_signals() -> None:
    for number in range(1, 32):
        if number not in {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
    spin()


def sleep() -> None:
    time.sleep(3600)


def crash() -> None:
    ctypes.string_at(0)


def abort() -> None:
    os.abort()


def who() -> dict[str, Any]:
    return {
        "user": os.getuid(),
        "streams": [os.fstat(number).st_rdev for number in range(3)],
        "open": [number for number in range(64) if _is_open(number)],
    }


def look_into_folders_of_others() -> dict[str, int]:
    """How often each thing came of looking into a folder that might be another's."""
    own = Path.cwd()
    found = Counter[str]()
    for folder in (own.parent / str(number) for number in range(16)):
        if folder != own:
            try:
                list(folder.iterdir())
                found["seen"] += 1
            except OSError as error:
                found[type(error).__name__] += 1
    return found


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


ATTEMPTS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        *(read, list_folder, write, write_into_own_folder, fill_own_folder),
        *(fill_own_folder_with_many, make_files, call, system_call, reach, listen),
        *(pair_with_itself, fork, start_program, replace_itself, start_thread, kill),
        *(signal_by_terminal_input, read_memory_of, allocate, map_memory, raise_limit),
        *(open_many, become_root, spin, spin_and_ignore_signals, sleep, crash, abort, who),
        look_into_folders_of_others,
    )
}
