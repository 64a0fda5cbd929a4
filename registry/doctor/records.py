"""The database: its schema, its history, and what serves the versions that are live."""

from collections.abc import Iterator, Mapping

from sqlalchemy import select

from registry.blobs.store import BlobStore
from registry.doctor.findings import Finding, Installation
from registry.engines.loading import FOREST, LINEAR, ONNX, read_forms
from registry.errors import BlobMissing, HistoryBroken, RegistryError
from registry.storage import schema
from registry.storage.database import Database
from registry.storage.history import verify
from registry.storage.tables import AliasRow, VersionRow

_ENGINES = {
    (): "scikit-learn",
    (ONNX,): "ONNX Runtime",
    (FOREST,): "the C kernel",
    (LINEAR,): "the C kernel of linear models",
}
"""By the last of the compiled forms that are read, which is the one that answers."""


def check_schema(installation: Installation) -> Iterator[Finding]:
    """The tables are those of this release."""
    if installation.database is None:
        yield Finding("schema", "ok", "there is no database yet; the first start makes it")
        return
    with installation.database.read() as session:
        revision = schema.current_revision(session.connection())
    where = installation.database.url.render_as_string()
    if revision == schema.HEAD:
        yield Finding("schema", "ok", f"schema {revision}: {where}")
    else:
        yield Finding(
            "schema",
            "fault" if revision else "warning",
            f"the database stands at schema {revision or 'none'}, this release at {schema.HEAD}: "
            f"{where}",
            "Run 'hotswap db upgrade', or the release that made the database.",
        )


def check_history(installation: Installation) -> Iterator[Finding]:
    """The hash chain of the history holds, from its first event to its head."""
    if (database := current_database(installation)) is None:
        return
    with database.read() as session:
        try:
            head = verify(session)
        except HistoryBroken as error:
            advice = "Somebody changed the database past the service: compare with a backup."
            yield Finding("history", "fault", error.detail, advice)
        else:
            yield Finding("history", "ok", f"the history holds, to its {head.seq}. event")


def check_engines(installation: Installation) -> Iterator[Finding]:
    """What answers for each version that an alias points at, and whether its bytes are there."""
    if (database := current_database(installation)) is None:
        return
    live = (
        select(
            AliasRow.model,
            AliasRow.name,
            AliasRow.number,
            VersionRow.sha256,
            VersionRow.format,
            VersionRow.compiled,
        )
        .join(
            VersionRow,
            (VersionRow.model == AliasRow.model) & (VersionRow.number == AliasRow.number),
        )
        .order_by(AliasRow.model, AliasRow.name)
    )
    with database.read() as session:
        rows = session.execute(live).all()
    for model, alias, number, artifact, format_, compiled in rows:
        version = f"{model}/{number} ({alias})"
        yield from _unloadable(installation.blobs, version, artifact, compiled)
        if format_ == "onnx":
            said = f"{version} is served by ONNX Runtime in a confined process"
            yield Finding("engine", "ok", said)
            continue
        forms = read_forms(compiled)
        said = f"{version} is served by {_ENGINES[forms[-1:]]}"
        if not forms or any(form in compiled and form not in forms for form in (FOREST, LINEAR)):
            advice = f"'hotswap show {model}/{number}' says why."
            yield Finding("engine", "warning", said, advice)
        else:
            yield Finding("engine", "ok", said)


def _unloadable(
    blobs: BlobStore, version: str, artifact: str, compiled: Mapping[str, str]
) -> Iterator[Finding]:
    """A fault where the bytes that a worker reads of the version are missing.

    They are not read; whoever finds damaged bytes puts them aside, and then they are missing.
    """
    for digest in [compiled[form] for form in read_forms(compiled)] or [artifact]:
        if not blobs.holds(digest):
            said = f"{version} cannot be loaded: {BlobMissing(digest).detail}"
            advice = "It answers 503 until the same file is uploaded again or its bytes restored."
            yield Finding("live", "fault", said, advice)


def current_database(installation: Installation) -> Database | None:
    """The database, if it can be read and its tables are those of this release.

    ``check_schema`` says what is wrong where they are not.
    """
    if (database := installation.database) is None:
        return None
    try:
        with database.read() as session:
            revision = schema.current_revision(session.connection())
    except RegistryError:
        return None
    return database if revision == schema.HEAD else None
