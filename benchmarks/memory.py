"""The memory of a server's processes, as Linux counts it."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Memory:
    """In megabytes of 10^6 bytes.

    ``worker`` is the resident memory (RSS) of the largest process, which is the one that predicts;
    ``resident`` is the sum over all processes, which counts shared pages more than once;
    ``proportional`` (PSS) counts them once.
    """

    worker: float
    resident: float
    proportional: float
    processes: int


def memory_of(root: int) -> Memory:
    """The memory of a process and its descendants."""
    resident = [resident_mb(pid) for pid in family(root)]
    shared_once = sum(_field(pid, "smaps_rollup", "Pss") for pid in family(root))
    return Memory(max(resident), sum(resident), shared_once, len(resident))


def family(root: int) -> list[int]:
    """The process and its descendants."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name is in parentheses and may contain any character.
            after_name = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        children[int(after_name[1])].append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found.extend(children[pid])
    return found


def runs(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in {"Z", "X"}


def resident_mb(pid: int) -> float:
    """Resident memory now."""
    return _field(pid, "status", "VmRSS")


def peak_mb(pid: int) -> float:
    """The peak of resident memory since ``forget_peak``."""
    return _field(pid, "status", "VmHWM")


def forget_peak(pid: int) -> None:
    """Reset the peak to the current resident memory."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _field(pid: int, file: str, name: str) -> float:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / MEGABYTE
    return 0.0  # a process that has just ended has no such line
