"""Give a model the holdout that its versions are measured on.

The bytes are stored before the row, as with versions. A replaced holdout stays readable, since
metrics in the history were measured on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.blobs.places import record_places
from registry.blobs.store import BlobStore, StagedBlob
from registry.errors import BlobUnavailable, Fault, HoldoutRefused
from registry.gates.holdouts import (
    HoldoutFormat,
    batches,
    count_rows,
    read_shape,
    row_count_differs,
)
from registry.gates.overlap import open_overlap
from registry.operations.rows import locked_active_model
from registry.reading.queries import current_holdout, find_model
from registry.reading.views import View, holdout_view
from registry.signature import Signature
from registry.storage.database import Database
from registry.storage.history import record
from registry.storage.tables import AliasRow, HoldoutRow, VersionRow, utc_now


@dataclass(frozen=True, slots=True)
class _Version:
    """A version that the table may be measured with."""

    number: int
    signature: Signature
    training_rows: str | None


def set_holdout(
    database: Database,
    model: str,
    table: StagedBlob,
    format_: HoldoutFormat,
    target: str | None,
    *,
    blobs: BlobStore,
    actor: str,
) -> tuple[View, bool]:
    """Check the table and store it as the holdout of ``model``; whether that changed anything.

    ``target`` None: what the newest ready version predicts. The table has to fit that version or
    one that an alias points at, if there are any. The view has, in addition to that of a holdout,
    ``trained_on``: how many of its rows each of these versions that it fits was trained on.

    Raises ModelNotFound, ModelArchived, HoldoutRefused, BodyMalformed, TooLarge, StorageFull, and
    the Unavailable errors.
    """
    with database.read() as session:
        find_model(session, model)
        versions = _versions(session, model)
    if target is None:
        if not versions:
            raise HoldoutRefused(
                "No version exists yet that says what is predicted: name the target.",
                [Fault("target", "is required")],
            )
        target = versions[0].signature.output.name
    with table.path.open("rb") as file:
        shape = read_shape(file, format_, target)
    signatures = list(dict.fromkeys(version.signature for version in versions))
    _check_fit(table, format_, target, shape.rows, signatures)
    trained_on = [
        {"version": version.number, "rows": _known(blobs, table, format_, target, version)}
        for version in versions
    ]
    table.keep()
    row = HoldoutRow(
        model=model,
        format=format_,
        sha256=table.digest,
        size=table.size,
        table_rows=shape.rows,
        columns=shape.columns,
        target=target,
        created_by=actor,
    )
    with database.write() as session:
        view, changed = _written(session, row)
        record_places(session, table.places, only_known=not changed)
    return {**view, "trained_on": trained_on}, changed


def _written(session: Session, row: HoldoutRow) -> tuple[View, bool]:
    """Replace the current holdout with ``row``, unless it is the same."""
    locked_active_model(session, row.model)
    before = current_holdout(session, row.model)
    if before is not None:
        if _identity(before) == _identity(row):
            return holdout_view(before), False
        before.removed_at, before.removed_by = utc_now(), row.created_by
    numbers = select(func.max(HoldoutRow.number)).where(HoldoutRow.model == row.model)
    row.number = (session.scalar(numbers) or 0) + 1
    session.add(row)
    session.flush()
    record(
        session,
        "holdout_changed",
        actor=row.created_by,
        model=row.model,
        details={"sha256": row.sha256, "rows": row.table_rows, "target": row.target},
    )
    return holdout_view(row), True


def _identity(row: HoldoutRow) -> tuple[str, str, str]:
    return row.sha256, row.format, row.target


def _versions(session: Session, model: str) -> list[_Version]:
    """The newest ready version, and then those that aliases point at."""
    newest = (
        select(VersionRow)
        .where(VersionRow.model == model, VersionRow.status == "ready")
        .order_by(VersionRow.number.desc())
        .limit(1)
    )
    live = (
        select(VersionRow)
        .join(
            AliasRow,
            (AliasRow.model == VersionRow.model) & (AliasRow.number == VersionRow.number),
        )
        .where(AliasRow.model == model)
        .order_by(AliasRow.name)
    )
    found = [*session.scalars(newest), *session.scalars(live)]
    return [
        _Version(row.number, Signature.from_json(row.signature), row.training_rows_sha256)
        for row in dict.fromkeys(found)
    ]


def _known(
    blobs: BlobStore, table: StagedBlob, format_: HoldoutFormat, target: str, version: _Version
) -> int | None:
    """How many rows of the table the version was trained on; None: unknown."""
    try:
        overlap = open_overlap(blobs, version.training_rows, version.signature, target)
        if overlap is None:
            return None
        with table.path.open("rb") as file:
            for batch in batches(file, format_, target, version.signature):
                overlap.add(batch)
    except (BlobUnavailable, HoldoutRefused):  # it cannot be measured on the table either
        return None
    return overlap.known


def _check_fit(
    table: StagedBlob,
    format_: HoldoutFormat,
    target: str,
    rows: int,
    signatures: Sequence[Signature],
) -> None:
    """Raises HoldoutRefused where the table fits none, with the reason for the newest."""
    refused: HoldoutRefused | None = None
    for signature in signatures:
        try:
            with table.path.open("rb") as file:
                if count_rows(file, format_, target, signature) != rows:
                    raise row_count_differs()
        except HoldoutRefused as error:
            refused = refused or error
        else:
            return
    if refused is not None:
        raise refused
