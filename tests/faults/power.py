"""A disk that loses power: what may stand on it after each system call of a recorded run.

A model of what POSIX promises and no more. Bytes written to a file are safe after fsync of that
file. A name that was made, moved or removed is safe after fsync of the folder that it stands in.
Everything else may or may not have reached the disk, each piece by itself: a write may have been
torn at a sector, and a file that grew may hold zeros where its bytes should be.

Source: T. S. Pillai et al., "All File Systems Are Not Created Equal: On the Complexity of Crafting
Crash-Consistent Applications", OSDI 2014.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.strace import Call

SECTOR = 512
_IGNORED = frozenset({"flock", "fallocate", "msync"})


@dataclass(eq=False)
class File:
    """A file's bytes: what is safe, and what was written since. ``None``: a folder."""

    safe: bytes = b""
    pending: list[tuple[int, bytes]] = field(default_factory=list)
    """Writes as offset and bytes; a cut to a length as a negative length minus one, and nothing."""

    def sync(self) -> None:
        self.safe = _written(self.safe, self.pending)
        self.pending = []


class Folder(File):
    """Stands where a file would; its names are the disk's business."""


@dataclass(eq=False)
class Naming:
    """A name that was made (``new``), removed (``old``) or moved (both)."""

    file: File
    old: str | None
    new: str | None

    @property
    def folder(self) -> str:
        """The folder whose fsync makes it safe."""
        return str(Path(self.new or self.old or "").parent)


class Disk:
    """The files below ``root``, as they were when they were read in, and what became of them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._now: dict[str, File] = {}
        for path in root.rglob("*"):
            if path.name.endswith("-shm") or "run" in path.relative_to(root).parts:
                continue  # shared memory; it says nothing after a restart
            self._now[str(path)] = Folder() if path.is_dir() else File(path.read_bytes())
        self._now[str(root)] = Folder()
        self._safe = dict(self._now)
        self._namings: list[Naming] = []

    def apply(self, call: Call) -> bool:
        """Do what the call did; whether it concerned these files.

        Raises ValueError for a call that is not modelled.
        """
        ours = [path for path in call.paths if path.startswith(str(self.root))]
        if not ours or call.failed or ours[0].endswith("-shm") or "/run/" in ours[0]:
            return False
        if call.name in _IGNORED:
            return False
        act = getattr(self, f"_{call.name}", None)
        if act is None:
            raise ValueError(f"the disk does not know {call}")
        act(call)
        return True

    def states(self, draws: random.Random, random_states: int) -> Iterator[dict[str, File]]:
        """What may stand on the disk if the power goes now; first with nothing that is not safe,
        then with all of it, then with pieces of it."""
        yield self._image(draws, 0.0)
        if self._namings or any(file.pending for file in self._now.values()):
            yield self._image(draws, 1.0)
            for _ in range(random_states):
                yield self._image(draws, draws.choice([0.2, 0.5, 0.8]))

    def _image(self, draws: random.Random, share: float) -> dict[str, File]:
        names = dict(self._safe)
        for naming in self._namings:
            if draws.random() < share:
                _name(names, naming)
        whole = {
            path: file
            for path, file in names.items()
            if all(str(folder) in names for folder in self._folders_above(path))
        }
        return {path: _survivor(file, draws, share) for path, file in whole.items()}

    def _folders_above(self, path: str) -> Iterator[Path]:
        for folder in Path(path).parents:
            if folder == self.root or self.root not in folder.parents:
                return
            yield folder

    def _openat(self, call: Call) -> None:
        path = call.paths[0]
        if path not in self._now and "O_CREAT" in call.flags:
            self._make(path, File())
        elif "O_TRUNC" in call.flags:
            self._now[path].pending.append((-1, b""))

    def _write(self, call: Call) -> None:
        file = self._file(call)
        # Nothing that is watched writes anywhere but at the end without saying where.
        file.pending.append((len(_written(file.safe, file.pending)), call.data[: int(call.result)]))

    def _pwrite64(self, call: Call) -> None:
        self._file(call).pending.append((call.numbers[-1], call.data[: int(call.result)]))

    def _ftruncate(self, call: Call) -> None:
        self._file(call).pending.append((-1 - call.numbers[-1], b""))

    def _fsync(self, call: Call) -> None:
        file = self._now.get(call.paths[0])
        if isinstance(file, Folder):
            for naming in [one for one in self._namings if one.folder == call.paths[0]]:
                _name(self._safe, naming)
                self._namings.remove(naming)
        elif file is not None:
            file.sync()

    _fdatasync = _fsync

    def _rename(self, call: Call) -> None:
        old, new = call.paths
        naming = Naming(self._now[old], old, new)
        self._namings.append(naming)
        _name(self._now, naming)

    _renameat = _renameat2 = _rename

    def _unlink(self, call: Call) -> None:
        naming = Naming(self._now[call.paths[0]], call.paths[0], None)
        self._namings.append(naming)
        _name(self._now, naming)

    _unlinkat = _rmdir = _unlink

    def _mkdir(self, call: Call) -> None:
        self._make(call.paths[0], Folder())

    _mkdirat = _mkdir

    def _make(self, path: str, file: File) -> None:
        naming = Naming(file, None, path)
        self._namings.append(naming)
        _name(self._now, naming)

    def _file(self, call: Call) -> File:
        path = call.paths[0]
        if path not in self._now:  # opened before the recording began
            self._make(path, File())
        return self._now[path]


def restore(state: dict[str, File], root: Path, target: Path) -> None:
    """Write what stood below ``root`` on the disk into the new folder ``target``."""
    target.mkdir()
    for path, file in sorted(state.items()):
        place = target / Path(path).relative_to(root)
        if isinstance(file, Folder):
            place.mkdir(exist_ok=True)
        else:
            place.write_bytes(file.safe)


def fingerprint(state: dict[str, File]) -> int:
    """The same for the same names and bytes."""
    return hash(tuple(sorted((path, file.safe) for path, file in state.items())))


def _name(names: dict[str, File], naming: Naming) -> None:
    if naming.old is not None:
        names.pop(naming.old, None)
    if naming.new is not None:
        names[naming.new] = naming.file


def _survivor(file: File, draws: random.Random, share: float) -> File:
    if isinstance(file, Folder):
        return file
    kept = []
    for offset, data in file.pending:
        if draws.random() < share:
            kept.append((offset, _torn(offset, data, file, draws, share)))
    return File(_written(file.safe, kept))


def _torn(offset: int, data: bytes, file: File, draws: random.Random, share: float) -> bytes:
    fate = draws.random()
    if share == 1.0 or fate < 0.6 or offset < 0:
        return data
    if fate < 0.8:
        return data[: draws.randrange(len(data) // SECTOR + 1) * SECTOR]
    return bytes(len(data)) if offset >= len(file.safe) else data


def _written(content: bytes, writes: list[tuple[int, bytes]]) -> bytes:
    if not writes:
        return content
    result = bytearray(content)
    for offset, data in writes:
        if offset < 0:
            length = -1 - offset
            del result[length:]
            result.extend(bytes(length - len(result)))
        else:
            result.extend(bytes(max(0, offset - len(result))))
            result[offset : offset + len(data)] = data
    return bytes(result)
