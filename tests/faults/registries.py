"""A registry without a server around it, in a data directory, and the states that it begins in."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import text

from registry.blobs.local import LocalBlobStore
from registry.blobs.uploads import Uploads
from registry.engines.served_version import ServedVersion
from registry.gates.compatibility import incompatibilities
from registry.gates.inputs import GateInputs
from registry.gates.results import GateResult
from registry.intake.inspector import Inspection
from registry.live.counter import Counter
from registry.operations.alias_requests import AliasRequest
from registry.operations.archive_model import archive_model
from registry.operations.archive_version import archive_version
from registry.operations.collect_garbage import collect_garbage
from registry.operations.end_split import end_split
from registry.operations.move_rollout import RolloutMove, move_rollout
from registry.operations.promote import PromotionRequest, promote
from registry.operations.register import Metadata, register
from registry.operations.results import OperationResult
from registry.operations.rollback import rollback
from registry.operations.split_alias import SplitRequest, split_alias
from registry.operations.start_rollout import RolloutRequest, start_rollout
from registry.operations.steer_rollout import (
    abort_rollout,
    finish_rollout,
    pause_rollout,
    resume_rollout,
)
from registry.rollouts.plan import parse_plan
from registry.rollouts.progress import Action
from registry.storage.database import Database
from registry.storage.idempotency import Idempotency
from registry.storage.schema import upgrade
from tests.factories import NUMBERS, add_token

PLAN = parse_plan(
    {"steps": [{"weight": 5, "minutes": 1}, {"weight": 25, "minutes": 1}, {"weight": 100}]}
)
Weights = Sequence[Sequence[int]]
"""Versions and their percentages."""
Verb = Literal["pause", "resume", "abort", "finish"]
SplitAlias = Callable[..., OperationResult]
Journal = Literal["wal", "rollback"]
MEBIBYTE = 2**20
_CHUNK = 2**16


class ReadyInspector:
    """Hands out an inspection that was made before, so that nothing has to be inspected."""

    def __init__(self, compiled: dict[str, bytes]) -> None:
        self._inspection = Inspection(
            kind="linear",
            task="regression",
            params={},
            signature=NUMBERS.to_json(),
            environment={},
            compiled=compiled,
        )

    def inspect(self, path: Path, *_: object):
        assert path.stat().st_size
        return self._inspection, NUMBERS


def evaluate(inputs: GateInputs) -> tuple[GateResult, ...]:
    """The results of ``signature compatible``, the only gate that there is."""
    found = inputs.champion is not None and any(
        incompatibilities(inputs.candidate.version.signature, inputs.champion.version.signature)
    )
    return tuple(GateResult(gate=gate.text, passed=not found) for gate in inputs.gates)


@dataclass
class Registry:
    """The collaborators of the operations, on one data directory."""

    data: Path
    database: Database
    blobs: LocalBlobStore
    counter: Counter
    split_alias: SplitAlias = split_alias
    token_id: int = 1

    def upload(
        self,
        model: str = "house",
        content: bytes | str = b"a model",
        *,
        compiled: dict[str, bytes] | None = None,
        key: str | None = None,
    ) -> OperationResult:
        """Receive ``content`` in chunks, as the view does, and register it."""
        content = content.encode() if isinstance(content, str) else content
        metadata = Metadata(format="skops", metrics={"rmse": 1.5}, tags={"team": "a"})
        with self.blobs.stage(64 * MEBIBYTE) as blob:
            for start in range(0, len(content), _CHUNK):
                blob.write(content[start : start + _CHUNK])
            return register(
                self.database,
                ReadyInspector(compiled or {}),
                model,
                blob,
                metadata,
                actor="ci",
                idempotency=self._request(key, metadata.fingerprint(model, blob.digest)),
            )

    def add_file(self, content: bytes = b"a file" * 20_000) -> None:
        """Receive a file of a directory that is to become a version."""
        with self.blobs.stage(64 * MEBIBYTE) as blob:
            for start in range(0, len(content), _CHUNK):
                blob.write(content[start : start + _CHUNK])
            self.uploads.add(self.token_id, ("directory", "files", "one"), blob)

    def remove_files(self) -> None:
        """Remove the directory."""
        self.uploads.remove(self.token_id, ("directory",))

    @property
    def uploads(self) -> Uploads:
        return Uploads(self.blobs.uploads, 64 * MEBIBYTE)

    def promote(
        self,
        number: int,
        *,
        model: str = "house",
        alias: str = "production",
        key: str | None = None,
    ) -> OperationResult:
        request = self._request(key, f"promote {model} {number} {alias}")
        order = PromotionRequest(actor="ci", alias=alias, idempotency=request)
        return promote(self.database, self.load, model, str(number), order, evaluate_gates=evaluate)

    def rollback(
        self,
        to_version: int | None = None,
        *,
        model: str = "house",
        alias: str = "production",
        key: str | None = None,
    ) -> OperationResult:
        request = self._request(key, f"rollback {model} {to_version} {alias}")
        order = PromotionRequest(actor="ci", alias=alias, idempotency=request)
        return rollback(self.database, self.load, model, order, to_version, evaluate_gates=evaluate)

    def split(
        self,
        weights: Weights,
        *,
        model: str = "house",
        alias: str = "production",
        key: str | None = None,
    ) -> OperationResult:
        order = SplitRequest(
            actor="ci",
            alias=alias,
            weights={number: 100 * weight for number, weight in weights},
            idempotency=self._request(key, f"split {model} {weights} {alias}"),
        )
        return self.split_alias(self.database, self.load, model, order, evaluate_gates=evaluate)

    def end_split(
        self, *, model: str = "house", alias: str = "production", key: str | None = None
    ) -> OperationResult:
        request = self._request(key, f"end split {model} {alias}")
        order = AliasRequest(actor="ci", alias=alias, idempotency=request)
        return end_split(self.database, model, order)

    def roll_out(
        self,
        number: int,
        *,
        model: str = "house",
        alias: str = "production",
        key: str | None = None,
    ) -> OperationResult:
        order = RolloutRequest(
            actor="ci",
            alias=alias,
            plan=PLAN,
            idempotency=self._request(key, f"roll out {model} {number} {alias}"),
        )
        return start_rollout(
            self.database, self.load, model, str(number), order, evaluate_gates=evaluate
        )

    def move(
        self,
        action: Action,
        revision: int | None = None,
        *,
        model: str = "house",
        alias: str = "production",
    ) -> OperationResult:
        """Move a rollout as the keeper does."""
        order = RolloutMove(actor="keeper", alias=alias, reason="x", expected_revision=revision)
        return move_rollout(self.database, self.load, model, action, order, evaluate_gates=evaluate)

    def steer(
        self,
        verb: Verb,
        *,
        model: str = "house",
        alias: str = "production",
        key: str | None = None,
    ) -> OperationResult:
        """Do with a rollout what people do."""
        request = self._request(key, f"{verb} {model} {alias}")
        order = RolloutMove(actor="ci", alias=alias, idempotency=request)
        if verb in {"pause", "resume"}:
            steer = pause_rollout if verb == "pause" else resume_rollout
            return steer(self.database, model, order)
        end = abort_rollout if verb == "abort" else finish_rollout
        return end(self.database, self.load, model, order, evaluate_gates=evaluate)

    def archive(self, model: str, number: int) -> None:
        archive_version(self.database, model, str(number), actor="ci")

    def archive_model(self, model: str) -> None:
        archive_model(self.database, model, actor="ci")

    def collect(self) -> None:
        """Remove everything that no version points at, however young."""
        collect_garbage(self.database, self.blobs, older_than=0)

    @contextmanager
    def load(self, version: ServedVersion) -> Iterator[None]:
        """Read what a worker would have to load. Raises BlobUnavailable."""
        for digest in (version.sha256, *version.compiled.values()):
            self.blobs.open(digest).close()
        yield

    def close(self) -> None:
        self.database.dispose()
        self.counter.close()

    def _request(self, key: str | None, fingerprint: str) -> Idempotency | None:
        return None if key is None else Idempotency(self.token_id, key, fingerprint)


def open_registry(
    data: Path,
    database: Callable[..., Database] = Database,
    blobs: Callable[[Path], LocalBlobStore] = LocalBlobStore,
    splitting: SplitAlias = split_alias,
) -> Registry:
    """The registry in ``data``, made of the given parts."""
    counter = Counter(data / "run" / "counter")
    return Registry(
        data,
        database(f"sqlite:///{data / 'registry.db'}", committed=counter.bump),
        blobs(data / "blobs"),
        counter,
        splitting,
    )


def use_journal(journal: Journal) -> None:
    """Choose, in a process that has opened no database yet, the SQLite library by its journal.

    The one that Python links is old enough on most machines that the service keeps a rollback
    journal with it; where pysqlite3 is found, the service takes that, and a write-ahead log.
    """
    if journal == "rollback":
        sys.modules["pysqlite3"] = None  # type: ignore[assignment]  # how an import is made to fail


def begin_fresh(registry: Registry) -> None:
    """Tables, a token, nothing else."""
    upgrade(registry.database)
    registry.token_id = add_token(registry.database)


def begin_used(registry: Registry) -> None:
    """Three versions of a house, the first and the second promoted in turn, and a garden."""
    begin_fresh(registry)
    for number in (1, 2, 3):
        registry.upload(content=b"house %d" % number, compiled={"onnx": b"graph %d" % number})
    registry.promote(1)
    registry.promote(2, key="earlier")
    registry.upload("garden", b"garden")


def begin_split(registry: Registry) -> None:
    """As used, with the alias split over the second and the third version."""
    begin_used(registry)
    registry.split([(2, 90), (3, 10)])


def begin_rolling(registry: Registry) -> None:
    """As used, with a rollout of the third version in its first step."""
    begin_used(registry)
    registry.roll_out(3)


def begin_advanced(registry: Registry) -> None:
    """As used, with a rollout in the last step before the promotion, which is held."""
    begin_rolling(registry)
    registry.move("advance")
    registry.move("hold")


def begin_baking(registry: Registry) -> None:
    """As used, with a rollout that was promoted and is still watched."""
    begin_advanced(registry)
    registry.move("promote")


def begin_filed(registry: Registry) -> None:
    """As used, with an uploaded directory."""
    begin_used(registry)
    registry.add_file(b"an older file")


def begin_long(registry: Registry) -> None:
    """As used, with a log so long that the next commit has it written back."""
    begin_used(registry)
    with registry.database.engine.connect() as connection:
        connection.execute(text("PRAGMA wal_autocheckpoint = 0"))
        connection.commit()
        for number in range(400):
            connection.execute(
                text("UPDATE models SET description = :text WHERE name = 'garden'"),
                {"text": f"{number:>3} " + "x" * 9000},
            )
            connection.commit()


def begin_littered(registry: Registry) -> None:
    """As used, with what uploads left that were interrupted before their row, or earlier."""
    begin_used(registry)
    for number in range(110):
        with registry.blobs.stage(MEBIBYTE) as blob:
            blob.write(b"litter %d" % number)
            blob.keep()
    for number in range(10):
        (registry.blobs.root / "incoming" / f"left-{number}").write_bytes(b"half a mod")


BEGINNINGS: dict[str, Callable[[Registry], None]] = {
    "fresh": begin_fresh,
    "used": begin_used,
    "long": begin_long,
    "split": begin_split,
    "rolling": begin_rolling,
    "advanced": begin_advanced,
    "baking": begin_baking,
    "filed": begin_filed,
    "littered": begin_littered,
}
