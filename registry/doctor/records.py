"""Checks the database: its schema, its history, and the engines of live versions."""

from collections.abc import Iterator, Mapping

from sqlalchemy import func, select

from registry.blobs.store import BlobStore
from registry.doctor.findings import Finding, Installation
from registry.engines.loading import BOOSTING, FOREST, LINEAR, ONNX, read_forms
from registry.errors import BlobMissing, HistoryBroken, RegistryError
from registry.extras import advice, is_installed
from registry.names import WATCH
from registry.reading.splits import answering
from registry.storage import schema
from registry.storage.database import Database
from registry.storage.history import verify
from registry.storage.tables import AliasRow, HoldoutRow, VersionRow

_ENGINES = {
    (): "scikit-learn",
    (ONNX,): "ONNX Runtime",
    (FOREST,): "the C kernel",
    (BOOSTING,): "the C kernel of boosted trees",
    (LINEAR,): "the C kernel of linear models",
}
"""By the last of the compiled forms that are read, which is the one that predicts."""


def check_schema(installation: Installation) -> Iterator[Finding]:
    """The tables are those of this release."""
    if installation.database is None:
        yield Finding("schema", "ok", "there is no database yet; the first start creates it")
        return
    with installation.database.read() as session:
        revision = schema.current_revision(session.connection())
    where = installation.database.url.render_as_string()
    if revision == schema.HEAD:
        yield Finding("schema", "ok", f"schema {revision}", place=where)
    elif schema.is_next(revision):
        yield Finding(
            "schema",
            "warning",
            f"the database has schema {revision}, that of the next release; this one has "
            f"{schema.HEAD}",
            "It is served during an upgrade: install the next release here too. Backups and "
            "'hotswap gc' need it.",
            where,
        )
    else:
        yield Finding(
            "schema",
            "fault" if revision else "warning",
            f"the database has schema {revision or 'none'}, this release requires {schema.HEAD}",
            "Run 'hotswap db upgrade', or use the release that created the database.",
            where,
        )


def check_history(installation: Installation) -> Iterator[Finding]:
    """The hash chain of the history is valid, from its first event to its head."""
    if (database := current_database(installation)) is None:
        return
    with database.read() as session:
        try:
            head = verify(session)
        except HistoryBroken as error:
            advice = "The database was changed without the service: compare it with a backup."
            yield Finding("history", "fault", error.detail, advice)
        else:
            yield Finding("history", "ok", f"the history is valid, up to event {head.seq}")


def check_engines(installation: Installation) -> Iterator[Finding]:
    """The engine of each version that an alias points at or is split over, and whether its files
    exist."""
    if (database := current_database(installation)) is None:
        return
    alias = answering().c
    live = (
        select(
            alias.model,
            alias.alias,
            alias.number,
            VersionRow.sha256,
            VersionRow.format,
            VersionRow.compiled,
        )
        .join(VersionRow, (VersionRow.model == alias.model) & (VersionRow.number == alias.number))
        .order_by(alias.model, alias.alias, alias.number)
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
        if not forms or any(
            form in compiled and form not in forms for form in (BOOSTING, FOREST, LINEAR)
        ):
            advice = f"'hotswap show {model}/{number}' shows the reason."
            yield Finding("engine", "warning", said, advice)
        else:
            yield Finding("engine", "ok", said)


def check_aliases(installation: Installation) -> Iterator[Finding]:
    """Aliases with names that are reserved since; reports only those."""
    if (database := current_database(installation)) is None:
        return
    taken = (
        select(AliasRow.model, AliasRow.name)
        .where(func.lower(AliasRow.name) == WATCH)
        .order_by(AliasRow.model, AliasRow.name)
    )
    with database.read() as session:
        rows = session.execute(taken).all()
    for model, alias in rows:
        said = f"the alias '{alias}' of {model} has a name that is reserved"
        advice = (
            f"Predictions through it are answered, but /models/{model}/{alias} may become the "
            "address of something else: use another alias and delete this one."
        )
        yield Finding("aliases", "warning", said, advice)


def check_holdouts(installation: Installation) -> Iterator[Finding]:
    """Whether the holdouts in use can be read; reports only those that cannot."""
    if is_installed("arrow") or (database := current_database(installation)) is None:
        return
    tables = (
        select(HoldoutRow.model)
        .where(HoldoutRow.removed_at.is_(None), HoldoutRow.format == "parquet")
        .order_by(HoldoutRow.model)
    )
    with database.read() as session:
        models = session.scalars(tables).all()
    for model in models:
        said = f"the holdout of {model} is a Parquet file, and pyarrow is not installed"
        yield Finding("holdouts", "fault", said, advice("arrow"))


def _unloadable(
    blobs: BlobStore, version: str, artifact: str, compiled: Mapping[str, str]
) -> Iterator[Finding]:
    """A fault where the files that a worker reads of the version are missing.

    They are not read; a process that finds a damaged file moves it aside, so it is missing then.
    """
    for digest in [compiled[form] for form in read_forms(compiled)] or [artifact]:
        if not blobs.holds(digest):
            said = f"{version} cannot be loaded: {BlobMissing(digest).detail}"
            advice = (
                "Requests get 503 until the same file is uploaded again or restored from a backup."
            )
            yield Finding("live", "fault", said, advice)


def current_database(installation: Installation) -> Database | None:
    """The database, if it can be read and this release serves its tables.

    ``check_schema`` reports what is wrong if they are not.
    """
    if (database := installation.database) is None:
        return None
    try:
        with database.read() as session:
            revision = schema.current_revision(session.connection())
    except RegistryError:
        return None
    return database if schema.is_served(revision) else None
