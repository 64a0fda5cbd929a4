"""Register the bytes of a version again, as the next version of the same or another model."""

from collections.abc import Mapping

from registry.operations.register import Origin, add_version
from registry.operations.rows import locked_active_model
from registry.reading.queries import find_ready_version
from registry.reading.views import View, version_view
from registry.storage.database import Database
from registry.storage.idempotency import Idempotency, store_answer, stored_answer
from registry.storage.tables import MetricRow, VersionRow, VersionTagRow

_KEPT = (
    *("status", "kind", "task", "params", "signature", "input_example", "format", "sha256", "size"),
    *(
        "engine",
        "compiled",
        "training_rows_sha256",
        "files_sha256",
        "lineage",
        "environment",
        "evaluation",
    ),
)
"""What a copy has from its original."""


def copy_version(
    database: Database,
    original: tuple[str, str],
    model: str,
    *,
    actor: str,
    description: str,
    tags: Mapping[str, str],
    origin: Origin,
    idempotency: Idempotency | None = None,
) -> View:
    """Add a copy of the version ``original``, a model and a reference, to the existing ``model``.

    The copy shares the original's blobs, whose row, and so whose blobs, are never deleted.

    Raises NameMalformed, ReferenceMalformed, ModelNotFound, VersionNotFound, VersionNotReady,
    ModelArchived and IdempotencyKeyReused.
    """
    with database.write() as session:
        row = locked_active_model(session, model)
        if (answer := stored_answer(session, idempotency)) is not None:
            return answer
        known = find_ready_version(session, *original)
        version = VersionRow(
            model=model,
            description=description,
            metrics=[MetricRow(name=metric.name, value=metric.value) for metric in known.metrics],
            tags=[VersionTagRow(key=key, value=value) for key, value in sorted(tags.items())],
            **{name: getattr(known, name) for name in _KEPT},
        )
        add_version(session, row, version, actor, origin)
        answer = version_view(version)
        store_answer(session, idempotency, answer)
        return answer
