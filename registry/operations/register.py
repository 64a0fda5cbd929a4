"""Register an uploaded artifact as the next version of a model.

Bytes first, row second: the artifact and its compiled forms are durable before the row that points
at them, so a crash leaves at worst bytes that nothing points at.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hotswap.evaluation.row_hashes import MAX_BYTES, TrainingRows, names_hash
from registry.blobs.places import record_places
from registry.blobs.store import StagedBlob
from registry.errors import (
    ArtifactRefused,
    Fault,
    MetadataRefused,
    ModelArchived,
    NameTaken,
    TooLarge,
    VersionNumberTaken,
)
from registry.formats.reading import Format
from registry.intake.inspector import Inspection, Inspector
from registry.names import check_model_name, name_key
from registry.operations.results import OperationResult, replay
from registry.operations.rows import insert_model
from registry.reading.blob_uses import TRAINING_ROWS
from registry.reading.profiles import checked_evaluation
from registry.reading.views import version_view
from registry.signature import Signature
from registry.storage.database import Database
from registry.storage.history import EventType, record
from registry.storage.idempotency import Idempotency, store_answer, stored_answer
from registry.storage.tables import MetricRow, ModelRow, VersionRow, VersionTagRow, utc_now

MAX_SOURCE = 2_000
MAX_RUN_ID = 128
"""Characters of an ``Origin``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What the uploader declares about the artifact. None: read from the model."""

    format: Format
    kind: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: Mapping[str, Any] | None = None
    signature: Mapping[str, Any] | None = None
    input_example: Mapping[str, Any] | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    version: int | None = None
    """The number that it has to get; None: the next one."""

    def fingerprint(self, model: str, *digests: str) -> str:
        """A hash of model, bytes and metadata, by which a repeated upload is recognized."""
        declared = asdict(self)
        if self.version is None:  # as earlier releases hashed it
            del declared["version"]
        text = json.dumps([model, *digests, declared], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a version comes from, as a client of another system says: kept, and never read.

    ``via``: as for ``record``; None: our own API. ``lineage`` is added to the version's.
    """

    via: str | None
    source: str
    run_id: str = ""
    lineage: Mapping[str, Any] = field(default_factory=dict)


def register(
    database: Database,
    inspector: Inspector,
    model: str,
    artifact: StagedBlob,
    metadata: Metadata,
    *,
    actor: str,
    idempotency: Idempotency | None = None,
    reuse: bool = False,
    training_rows: StagedBlob | None = None,
    columns: Sequence[Mapping[str, Any]] | None = None,
    files: StagedBlob | None = None,
    origin: Origin | None = None,
) -> OperationResult:
    """Inspect the artifact, store it, and register it as the model's next version.

    Creates the model if it does not exist. No alias moves. With ``reuse``, an existing version that
    is ready and has the same bytes, metrics, signature and lineage (except the parent version) is
    returned instead of a new one; so of two simultaneous uploads the second finds the version of
    the first. ``training_rows`` are the hashes of the rows that the model was fitted on
    (`hotswap.evaluation.row_hashes`); they are kept if they are of the columns of the signature.
    ``columns``, inputs of a signature, are used for a model that does not name its own. ``files``
    are those that were uploaded beside it, and are kept.

    Raises NameMalformed, NameTaken, ModelArchived, VersionNumberTaken, ArtifactRefused,
    MetadataRefused, TooLarge, IdempotencyKeyReused, StorageFull, and the Unavailable errors.
    """
    check_model_name(model)
    if artifact.size == 0:
        raise ArtifactRefused("The artifact is empty.")
    with database.read() as session:
        if (answer := stored_answer(session, idempotency)) is not None:
            return replay(database, answer, confirm=False)
        _check_name_is_free(session, model)
    rows = None if training_rows is None else _checked_rows(training_rows)
    declared: dict[str, Any] = {
        "kind": metadata.kind,
        "signature": metadata.signature,
        "input_example": metadata.input_example,
    }
    if columns is not None:
        declared["columns"] = list(columns)
    inspection, signature = inspector.inspect(artifact.path, metadata.format, declared)
    metadata = replace(metadata, evaluation=checked_evaluation(metadata.evaluation, signature))
    compiled = {
        name: artifact.keep_beside(content) for name, content in inspection.compiled.items()
    }
    artifact.keep()
    # Rows of a holdout can be compared with hashes of the same columns only.
    is_kept = rows is not None and rows.names == names_hash(signature.names)
    hashes = training_rows.keep() if training_rows is not None and is_kept else None
    beside = None if files is None else files.keep()
    staged = (artifact, training_rows, files)
    places = [place for each in staged if each is not None for place in each.places]
    with database.write() as session:
        # The model's lock first: while this waits for it, the same request may be answered.
        row, _ = insert_model(session, model, actor)
        if (answer := stored_answer(session, idempotency)) is not None:
            return OperationResult(answer, replayed=True)
        if row.archived_at is not None:
            raise ModelArchived(model)
        version = _version(model, artifact, metadata, inspection, signature)
        if reuse and (equal := _equal_version(session, version)) is not None:
            # Its bytes may have been lost until now: this event makes workers load it again.
            _record(session, "upload_reused", equal, actor)
            record_places(session, places, only_known=True)
            answer = version_view(equal)
            store_answer(session, idempotency, answer)
            return OperationResult(answer, replayed=True)
        record_places(session, places)
        version.compiled = compiled
        version.training_rows_sha256, version.files_sha256 = hashes, beside
        version.number = _new_number(row, metadata.version)
        add_version(session, row, version, actor, origin)
        answer = version_view(version)
        store_answer(session, idempotency, answer)
        return OperationResult(answer)


def _checked_rows(staged: StagedBlob) -> TrainingRows:
    """The uploaded hashes of rows. Raises MetadataRefused."""
    if staged.size > MAX_BYTES:
        raise TooLarge("The part training_rows", f"{MAX_BYTES} bytes")
    try:
        return TrainingRows.from_bytes(staged.path.read_bytes())
    except ValueError as error:
        message = f"The part {TRAINING_ROWS} {error}."
        raise MetadataRefused(message, [Fault(TRAINING_ROWS, str(error))]) from error


def add_version(
    session: Session, model: ModelRow, version: VersionRow, actor: str, origin: Origin | None
) -> None:
    """Add ``version`` to ``model``, which is locked, and record it. It gets the next number, unless
    it has a larger one already."""
    version.number = model.last_number = version.number or model.last_number + 1
    version.created_by = actor
    version.created_at = version.updated_at = model.updated_at = utc_now()
    if origin is not None:
        version.source, version.run_id = origin.source, origin.run_id
        version.lineage = {**version.lineage, **origin.lineage}
    session.add(version)
    session.flush()
    _record(session, "registered", version, actor, None if origin is None else origin.via)


def _record(
    session: Session, type_: EventType, version: VersionRow, actor: str, via: str | None = None
) -> None:
    details = {"sha256": version.sha256, "format": version.format}
    record(
        session,
        type_,
        actor=actor,
        model=version.model,
        to_version=version.number,
        details=details,
        via=via,
    )


def _equal_version(session: Session, version: VersionRow) -> VersionRow | None:
    """The first version that is ready and equal to ``version``, which has no row yet."""
    content = _content(version)
    same_bytes = select(VersionRow).where(
        VersionRow.sha256 == version.sha256,
        VersionRow.model == version.model,
        VersionRow.status == "ready",
    )
    others = session.scalars(same_bytes.order_by(VersionRow.number))
    return next((other for other in others if _content(other) == content), None)


def _content(version: VersionRow) -> tuple[Mapping[str, Any], ...]:
    """What two versions of the same bytes must have in common to be equal."""
    metrics = {metric.name: metric.value for metric in version.metrics}
    lineage = {key: value for key, value in version.lineage.items() if key != "parent_version"}
    return metrics, lineage, version.signature


def _check_name_is_free(session: Session, model: str) -> None:
    """Raise, before the artifact is inspected, what the later transaction would raise."""
    row = session.query(ModelRow).filter(ModelRow.name_key == name_key(model)).one_or_none()
    if row is not None and row.name != model:
        raise NameTaken(model, row.name)
    if row is not None and row.archived_at is not None:
        raise ModelArchived(model)


def _new_number(model: ModelRow, wanted: int | None) -> int:
    """Raises VersionNumberTaken: numbers only grow, so those that were left out stay unused."""
    if wanted is not None and wanted <= model.last_number:
        raise VersionNumberTaken(model.name, wanted, model.last_number)
    return model.last_number + 1 if wanted is None else wanted


def _version(
    model: str,
    artifact: StagedBlob,
    metadata: Metadata,
    inspection: Inspection,
    signature: Signature,
) -> VersionRow:
    """A version of ``model`` without a number."""
    example = metadata.input_example
    if example is None:
        example = inspection.input_example
    return VersionRow(
        model=model,
        status="ready",
        kind=inspection.kind,
        task=inspection.task,
        description=metadata.description,
        params=dict(inspection.params if metadata.params is None else metadata.params),
        signature=signature.to_json(),
        input_example=None if example is None else {n: example.get(n) for n in signature.names},
        format=metadata.format,
        sha256=artifact.digest,
        size=artifact.size,
        engine=inspection.engine,
        lineage=dict(metadata.lineage),
        environment={**metadata.environment, **inspection.environment},
        evaluation=dict(metadata.evaluation),
        metrics=[
            MetricRow(name=name, value=value) for name, value in sorted(metadata.metrics.items())
        ],
        tags=[VersionTagRow(key=key, value=value) for key, value in sorted(metadata.tags.items())],
    )
