"""Models and versions as MLflow's clients read them. What is not set is left out."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from registry.storage.tables import ModelRow, ModelTagRow, VersionRow, VersionTagRow

Answer = dict[str, Any]

_STATUS = {"ready": "READY", "pending": "PENDING_REGISTRATION", "failed": "FAILED_REGISTRATION"}


def model_answer(row: ModelRow, latest: VersionRow | None) -> Answer:
    """``latest``: its highest version; a version has no stage, so it is the only latest one."""
    aliases = [{"alias": one.name, "version": str(one.number)} for one in row.aliases]
    return {
        "name": row.name,
        "creation_timestamp": _milliseconds(row.created_at),
        "last_updated_timestamp": _milliseconds(row.updated_at),
        "user_id": row.created_by,
        **_if_any("description", row.description),
        **_if_any("latest_versions", [] if latest is None else [version_answer(latest)]),
        **_if_any("tags", _tags(row.tags)),
        **_if_any("aliases", aliases),
    }


def version_answer(row: VersionRow, *, with_aliases: bool = False) -> Answer:
    return {
        "name": row.model,
        "version": str(row.number),
        "creation_timestamp": _milliseconds(row.created_at),
        "last_updated_timestamp": _milliseconds(row.updated_at),
        "user_id": row.created_by,
        "current_stage": "None",
        "description": row.description,
        "source": row.source or f"hotswap:/{row.model}/{row.number}",
        "run_id": row.run_id,
        "run_link": _told(row, "run_link"),
        "status": _STATUS[row.status],
        **_if_any("model_id", _told(row, "model_id")),
        **_if_any("status_message", row.failure),
        **_if_any("tags", _tags(row.tags)),
        **_if_any("aliases", [alias.name for alias in row.aliases] if with_aliases else []),
    }


def _told(row: VersionRow, name: str) -> str:
    """What a client of MLflow told of the version; an upload may have any lineage."""
    told = row.lineage.get("mlflow")
    text = told.get(name) if isinstance(told, dict) else None
    return text if isinstance(text, str) else ""


def _if_any(name: str, value: object) -> Mapping[str, object]:
    return {name: value} if value else {}


def _tags(rows: Iterable[ModelTagRow | VersionTagRow]) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in rows]


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
