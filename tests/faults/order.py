"""The order in which an operation has to write, read off its system calls.

fsync of the file < rename < fsync of the folder < commit < announcement < answer
"""

from collections.abc import Iterator
from pathlib import Path

from tests.faults.strace import Call

_SYNCS = frozenset({"fsync", "fdatasync"})
_WRITES = frozenset({"write", "pwrite64", "ftruncate"})
_RENAMES = frozenset({"rename", "renameat", "renameat2"})
_REMOVALS = frozenset({"unlink", "unlinkat"})


def faults_of_order(calls: list[Call], data: Path) -> list[str]:
    """Where the calls of a finished operation on ``data`` break the order, in words."""
    announced = _first(calls, lambda call: call.name == "flock" and _is(call, data / "run/counter"))
    answered = _first(calls, lambda call: call.name == "write" and call.paths[0].startswith("pipe"))
    if announced is None or answered is None:
        return ["nothing was announced" if announced is None else "nothing was answered"]
    faults = list(_of_the_commit(calls, data, announced))
    if committed := _commit(calls, data):
        faults += _of_the_bytes(calls, data, committed)
        if not committed < announced:
            faults.append("announced before it was committed")
    else:
        faults.append("nothing was committed")
    if not announced < answered:
        faults.append("answered before it was announced")
    return faults


def _commit(calls: list[Call], data: Path) -> int | None:
    """The call that commits: the first fsync of the log after its last write before the database
    is let go, or the removal of the rollback journal."""
    journal = data / "registry.db-journal"
    removed = _first(calls, lambda call: call.name in _REMOVALS and _is(call, journal))
    if removed is not None:
        return removed
    log = data / "registry.db-wal"
    return _first(
        calls,
        lambda call: call.name == "pwrite64" and _is(call, log),
        until=_first(calls, lambda call: call.name in _REMOVALS and _is(call, log)),
        last=True,
    )


def _of_the_commit(calls: list[Call], data: Path, announced: int) -> Iterator[str]:
    """Whatever was written to the database's files has to be on the disk when it is announced."""
    for name in ("registry.db", "registry.db-wal", "registry.db-journal"):
        written = [
            index
            for index, call in enumerate(calls[:announced])
            if call.name in _WRITES and _is(call, data / name)
        ]
        if written and not _synced(calls, data / name, written[-1], announced):
            yield f"{name} was not synced before the change was announced"
    journal = data / "registry.db-journal"
    removed = _first(calls, lambda call: call.name in _REMOVALS and _is(call, journal))
    if removed is not None and not _synced(calls, data, removed, announced):
        yield "the journal's removal was not synced before the change was announced"


def _of_the_bytes(calls: list[Call], data: Path, committed: int) -> Iterator[str]:
    """Each blob: synced, renamed, its folder synced, all before the row; and each new folder."""
    blobs = data / "blobs"
    for index, call in enumerate(calls):
        if call.failed:
            continue
        if call.name in _RENAMES and Path(call.paths[1]).is_relative_to(blobs):
            old, new = map(Path, call.paths)
            if not _synced(calls, old, -1, index):
                yield "a blob got its name before its bytes were synced"
            if not _synced(calls, new.parent, index, committed):
                yield "a blob's name was not synced before the row that points at it"
        elif call.name in {"mkdir", "mkdirat"} and Path(call.paths[0]).is_relative_to(data):
            made = Path(call.paths[0])
            if made.is_relative_to(blobs) and not _synced(calls, made.parent, index, committed):
                yield f"the folder {made.name} was not synced before the row"


def _synced(calls: list[Call], path: Path, after: int, before: int) -> bool:
    return any(
        call.name in _SYNCS and _is(call, path) and not call.failed
        for call in calls[after + 1 : before]
    )


def _is(call: Call, path: Path) -> bool:
    return call.paths[0] == str(path)


def _first(calls: list[Call], holds, *, until: int | None = None, last: bool = False) -> int | None:
    found = [index for index, call in enumerate(calls[:until]) if holds(call)]
    if not found:
        return None
    return found[-1 if last else 0]
