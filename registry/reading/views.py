"""Rows as plain JSON data, in the form that the API returns.

An answer that is stored for an Idempotency-Key is such data.
"""

from datetime import UTC, datetime
from typing import Any

from registry.storage.tables import (
    EventRow,
    HoldoutRow,
    ModelRow,
    PolicyRow,
    TokenRow,
    VersionRow,
)

View = dict[str, Any]


def model_view(row: ModelRow) -> View:
    return {
        "name": row.name,
        "description": row.description,
        "tags": {tag.key: tag.value for tag in row.tags},
        "aliases": {alias.name: alias.number for alias in row.aliases},
        "status": "active" if row.archived_at is None else "archived",
        "last_version": row.last_number or None,
        "generation": row.generation,
        "created_at": timestamp(row.created_at),
        "created_by": row.created_by,
    }


def version_view(row: VersionRow) -> View:
    view: View = {
        "model": row.model,
        "version": row.number,
        "status": row.status,
        "kind": row.kind,
        "task": row.task,
        "aliases": [alias.name for alias in row.aliases],
        "description": row.description,
        "tags": {tag.key: tag.value for tag in row.tags},
        "metrics": {metric.name: metric.value for metric in row.metrics},
        "params": row.params,
        "signature": row.signature,
        "input_example": row.input_example,
        "artifact": {"format": row.format, "sha256": row.sha256, "size": row.size},
        "engine": row.engine,
        "lineage": row.lineage,
        "environment": row.environment,
        "created_at": timestamp(row.created_at),
        "created_by": row.created_by,
    }
    if row.failure is not None:
        view["failure"] = row.failure
    return view


def policy_view(row: PolicyRow) -> View:
    return {
        "gates": row.gates,
        "updated_at": timestamp(row.updated_at),
        "updated_by": row.updated_by,
    }


def holdout_view(row: HoldoutRow) -> View:
    return {
        "sha256": row.sha256,
        "size": row.size,
        "format": row.format,
        "rows": row.table_rows,
        "columns": row.columns,
        "target": row.target,
        "created_at": timestamp(row.created_at),
        "created_by": row.created_by,
        "removed_at": None if row.removed_at is None else timestamp(row.removed_at),
        "removed_by": row.removed_by,
    }


def event_view(row: EventRow) -> View:
    view: View = {
        "seq": row.seq,
        "at": timestamp(row.at),
        "type": row.type,
        "actor": row.actor,
        "reason": row.reason,
        "alias": row.alias,
        "from_version": row.from_version,
        "to_version": row.to_version,
        "hash": row.hash,
    }
    if row.details:
        view["details"] = row.details
    return view


def token_view(row: TokenRow) -> View:
    return {
        "id": row.id,
        "name": row.name,
        "kind": row.kind,
        "scopes": row.scopes,
        "models": row.models,
        "created_at": timestamp(row.created_at),
        "created_by": row.created_by,
        "expires_at": None if row.expires_at is None else timestamp(row.expires_at),
        "revoked_at": None if row.revoked_at is None else timestamp(row.revoked_at),
        "last_used_at": None if row.last_used_at is None else timestamp(row.last_used_at),
    }


def timestamp(at: datetime) -> str:
    """``at`` as RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
