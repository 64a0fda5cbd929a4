"""System calls of a process, seen and tampered with by strace.

Source of the option names: strace(1). The counter of ``when=`` is kept for each system call by
itself, so a point is named by a call and its ordinal among the calls of that name.
"""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TRACED = (
    *("openat", "write", "pwrite64", "pwritev", "writev", "fsync", "fdatasync", "sync_file_range"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat"),
    *("link", "linkat", "symlink", "symlinkat", "truncate", "ftruncate", "fallocate", "flock"),
    *("copy_file_range", "sendfile", "msync"),
)
"""Everything that may change what stands on a disk, and flock, which shows where the counter of
announcements goes up: its store is to shared memory and no call at all."""

_DETACH_SECONDS = 20

_CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += +(\?|-?\d+)(.*)$")
_DESCRIPTOR = re.compile(r"^(?:AT_FDCWD|-?\d+)<((?:\\x[0-9a-f]{2})*)>")
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PATH_FIRST = re.compile(r"^(?:rename|unlink|rmdir|mkdir|link|symlink|truncate)")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call.

    ``nth`` is its ordinal among those of its ``name``. ``paths``: what it names, a descriptor's
    path or the paths given. ``data``: the bytes written. ``arguments``: as strace shows them.
    """

    name: str
    nth: int
    paths: tuple[str, ...]
    data: bytes
    arguments: str
    result: str
    injected: bool

    @property
    def failed(self) -> bool:
        return self.result.startswith("-")

    @property
    def flags(self) -> frozenset[str]:
        return frozenset(re.findall(r"\b[A-Z]+_[A-Z_]+\b", _TEXT.sub("", self.arguments)))

    @property
    def numbers(self) -> list[int]:
        """The plain numbers among the arguments after the first."""
        rest = _TEXT.sub("", self.arguments).split(",")[1:]
        return [int(part) for part in map(str.strip, rest) if part.isdigit()]

    def __str__(self) -> str:
        shown = " -> ".join("/".join(Path(path).parts[-2:]) for path in self.paths)
        return f"{self.name}#{self.nth}({shown})"


def available() -> str | None:
    """Why strace cannot be used here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(
        ["strace", "-e", "trace=none", "true"], capture_output=True, text=True, check=False
    )
    return f"strace cannot trace here: {tried.stderr.strip()[-200:]}" if tried.returncode else None


class Strace:
    """strace, attached to the processes ``pids`` while the block runs; the calls go to ``log``.

    ``inject`` are the values of its ``inject=`` expressions; ``only`` limits it to some paths;
    ``follow`` takes every thread and child along. ``data``: keep the bytes that are written.
    """

    def __init__(
        self,
        log: Path,
        pids: Iterable[int],
        inject: Sequence[str] = (),
        *,
        only: Sequence[Path] = (),
        follow: bool = False,
        data: bool = False,
    ) -> None:
        self.log = log
        self._pids = list(pids)
        self._command = [
            *("strace", "-y", "-xx", "-s", str(2**26) if data else "0", "-o", str(log)),
            *("-e", "trace=" + ",".join(f"?{name}" for name in TRACED), "-e", "signal=none"),
            *(part for one in inject for part in ("-e", f"inject={one}")),
            *(part for path in only for part in ("-P", str(path))),
            *(["-f"] if follow else []),
            *(part for pid in self._pids for part in ("-p", str(pid))),
        ]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stderr=subprocess.PIPE, text=True)
        waiting = set(self._pids)
        said = ""
        assert self._process.stderr is not None
        while waiting:
            line = self._process.stderr.readline()
            said += line
            if not line:
                raise RuntimeError(f"strace did not attach: {said}")
            if attached := re.match(r"strace: Process (\d+) attached", line):
                waiting.discard(int(attached[1]))
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the processes; nothing where they have ended already.

        strace can wait forever for a thread of a process that died while it lets go of it. Killed,
        it lets go of all of them too: the kernel does that.
        """
        self._process.terminate()
        try:
            self._process.communicate(timeout=_DETACH_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def read_calls(log: Path) -> list[Call]:
    """The calls in strace's ``log``, in their order; those that never returned among them."""
    seen: Counter[str] = Counter()
    calls = []
    for line in log.read_text().splitlines():
        match = _CALL.match(line)
        if match is None:
            if re.match(r"^(?:\d+ +)?(\+\+\+|---)", line):
                continue
            raise ValueError(f"strace said what is not understood: {line[:200]}")
        name, arguments, result, rest = match.groups()
        seen[name] += 1
        texts = [_decode(text) for text in _TEXT.findall(arguments)]
        descriptor = _DESCRIPTOR.match(arguments)
        if _PATH_FIRST.match(name) or name == "openat":
            paths, data = tuple(text.decode() for text in texts), b""
        else:
            paths = (_decode(descriptor[1]).decode(),) if descriptor else ()
            data = texts[0] if texts else b""
        calls.append(
            Call(name, seen[name], paths, data, arguments, result, injected="INJECTED" in rest)
        )
    return calls


def _decode(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))
