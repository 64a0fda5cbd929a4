"""What is interrupted: an operation, the state that it begins in, and the journal of SQLite."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.registries import MEBIBYTE, Journal, Registry

COMPILED = {"onnx": b"graph", "features": b"columns" * 1000, "forest": b"nodes" * 3000}
CANARY, GROWN, THREE = ((2, 90), (3, 10)), ((2, 40), (3, 60)), ((1, 5), (2, 40), (3, 55))
LARGE = bytes(range(256)) * (3 * MEBIBYTE // 256)


@dataclass(frozen=True)
class Scenario:
    """One operation on one beginning.

    ``connected``: the process has a connection to the database before it begins.
    ``again``: a second call leaves everything as the first did.
    """

    operation: str
    name: str
    beginning: str
    journal: Journal
    act: Callable[[Registry], object]
    connected: bool = False
    again: bool = True

    def __str__(self) -> str:
        return f"{self.operation}-{self.name}-{self.journal}"


def _scenarios(
    operation: str,
    name: str,
    beginning: str,
    act: Callable[[Registry], object],
    journals: tuple[Journal, ...] = ("wal", "rollback"),
    *,
    again: bool = True,
) -> list[Scenario]:
    return [
        Scenario(
            *(operation, name, beginning, journal, act),
            connected=name.endswith("connected"),
            again=again,
        )
        for journal in journals
    ]


_ALL = [
    *_scenarios("upload", "first", "fresh", lambda r: r.upload(), again=False),
    *_scenarios("upload", "keyed", "used", lambda r: r.upload(compiled=COMPILED, key="k")),
    *_scenarios("upload", "connected", "used", lambda r: r.upload(content=b"x", key="k"), ("wal",)),
    *_scenarios("upload", "large", "used", lambda r: r.upload(content=LARGE, key="k"), ("wal",)),
    *_scenarios("upload", "long", "long", lambda r: r.upload("garden", key="k"), ("wal",)),
    *_scenarios("upload", "file", "used", lambda r: r.add_file(), ("wal",)),
    *_scenarios("upload", "replacement", "filed", lambda r: r.add_file(), ("wal",)),
    *_scenarios("promote", "keyed", "used", lambda r: r.promote(3, key="k")),
    *_scenarios("promote", "alias", "used", lambda r: r.promote(3, alias="canary")),
    *_scenarios("promote", "connected", "used", lambda r: r.promote(1, key="k")),
    *_scenarios("promote", "long", "long", lambda r: r.promote(3, key="k"), ("wal",)),
    *_scenarios("rollback", "keyed", "used", lambda r: r.rollback(key="k")),
    *_scenarios("rollback", "connected", "used", lambda r: r.rollback(1, key="k")),
    *_scenarios("rollback", "plain", "used", lambda r: r.rollback(), again=False),
    *_scenarios("rollback", "long", "long", lambda r: r.rollback(key="k"), ("wal",)),
    *_scenarios("archive", "version", "used", lambda r: r.archive("house", 3)),
    *_scenarios("archive", "connected", "used", lambda r: r.archive("house", 3)),
    *_scenarios("archive", "model", "used", lambda r: r.archive_model("house")),
    *_scenarios("collect", "garbage", "littered", lambda r: r.collect()),
    *_scenarios("collect", "files", "filed", lambda r: r.remove_files(), ("wal",)),
    *_scenarios("archive", "long", "long", lambda r: r.archive("house", 3), ("wal",)),
    *_scenarios("split", "keyed", "used", lambda r: r.split(CANARY, key="k")),
    *_scenarios("split", "change", "split", lambda r: r.split(GROWN, key="k")),
    *_scenarios("split", "connected", "split", lambda r: r.split(THREE, key="k"), ("wal",)),
    *_scenarios("split", "long", "long", lambda r: r.split(CANARY, key="k"), ("wal",)),
    *_scenarios("end", "keyed", "split", lambda r: r.end_split(key="k")),
    *_scenarios("end", "connected", "split", lambda r: r.end_split(key="k"), ("wal",)),
    *_scenarios("end", "promoted", "split", lambda r: r.promote(3, key="k")),
    *_scenarios("end", "rollback", "split", lambda r: r.rollback(key="k"), ("wal",)),
    *_scenarios("end", "to", "split", lambda r: r.rollback(1, key="k"), ("wal",)),
    *_scenarios("end", "model", "split", lambda r: r.archive_model("house"), ("wal",)),
    *_scenarios("rollout", "keyed", "used", lambda r: r.roll_out(3, key="k")),
    *_scenarios("rollout", "paused", "rolling", lambda r: r.steer("pause", key="k"), ("wal",)),
    *_scenarios("rollout", "resumed", "advanced", lambda r: r.steer("resume", key="k"), ("wal",)),
    *_scenarios("rollout", "aborted", "rolling", lambda r: r.steer("abort", key="k"), ("wal",)),
    *_scenarios("rollout", "finished", "rolling", lambda r: r.steer("finish", key="k"), ("wal",)),
    *_scenarios("rollout", "model", "advanced", lambda r: r.archive_model("house"), ("wal",)),
    *_scenarios("move", "advance", "rolling", lambda r: r.move("advance", 1)),
    *_scenarios("move", "connected", "rolling", lambda r: r.move("hold", 1), ("wal",)),
    *_scenarios("move", "promote", "advanced", lambda r: r.move("promote", 3)),
    *_scenarios("move", "back", "advanced", lambda r: r.move("roll_back", 3), ("wal",)),
    *_scenarios("move", "baked", "baking", lambda r: r.move("roll_back", 4), ("wal",)),
    *_scenarios("move", "complete", "baking", lambda r: r.move("complete", 4), ("wal",)),
]

SCENARIOS = {str(scenario): scenario for scenario in _ALL}
OPERATIONS = (
    *("upload", "promote", "rollback", "archive", "collect"),
    *("split", "end", "rollout", "move"),
)


def of(operation: str, *, every: bool = True) -> list[str]:
    """The names of the operation's scenarios: every one, or the first with each journal."""
    names = [name for name, scenario in SCENARIOS.items() if scenario.operation == operation]
    return names if every else names[:2]
