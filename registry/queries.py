"""What lists and pages read, in the shape that the API shows.

Nothing here writes. Views are plain JSON data, so that an answer can be kept as it was given.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict, TypeVar

from sqlalchemy import ColumnElement, Select, and_, exists, func, nulls_last, or_, select
from sqlalchemy.orm import Session

from registry.errors import (
    HoldoutNotFound,
    ModelNotFound,
    ParameterMalformed,
    TokenNotFound,
    VersionNotFound,
    VersionNotReady,
)
from registry.names import LATEST, check_model_name, name_key, parse_reference
from registry.tables import (
    AliasRow,
    Base,
    EventRow,
    HoldoutRow,
    MetricRow,
    ModelRow,
    ModelTagRow,
    PolicyRow,
    TokenRow,
    VersionRow,
)
from registry.tokens import Grant

View = dict[str, Any]
_Row = TypeVar("_Row", bound=Base)


class Page(TypedDict):
    """One page of a list; ``total`` counts all pages' items."""

    items: list[View]
    page: int
    page_size: int
    total: int


@dataclass(frozen=True, slots=True)
class Paging:
    """Which page, from 1, and how many items it has at most."""

    page: int = 1
    page_size: int = 50


def find_model(session: Session, name: str) -> ModelRow:
    """Raises NameMalformed or ModelNotFound."""
    row = session.get(ModelRow, check_model_name(name))
    if row is None:
        raise ModelNotFound(name)
    return row


def find_version(session: Session, model: str, reference: str) -> VersionRow:
    """The version that ``reference`` (a number, an alias or ``latest``) stands for, readable.

    Raises NameMalformed, ReferenceMalformed, ModelNotFound or VersionNotFound.
    """
    check_model_name(model)
    parsed = parse_reference(reference)
    if isinstance(parsed, int):
        row = session.get(VersionRow, (model, parsed))
    elif parsed == LATEST:
        row = session.scalar(
            select(VersionRow)
            .where(VersionRow.model == model, VersionRow.status == "ready")
            .order_by(VersionRow.number.desc())
            .limit(1)
        )
    else:
        row = session.scalar(
            select(VersionRow)
            .join(
                AliasRow,
                and_(AliasRow.model == VersionRow.model, AliasRow.number == VersionRow.number),
            )
            .where(AliasRow.model == model, AliasRow.name == parsed)
        )
    if row is None:
        find_model(session, model)
        raise VersionNotFound(model, reference)
    return row


def find_usable_version(session: Session, model: str, reference: str) -> VersionRow:
    """As ``find_version``, of a version that can answer.

    Raises also VersionNotFound for an archived one, VersionNotReady for one that is pending or
    failed.
    """
    row = find_version(session, model, reference)
    if row.status == "archived":
        raise VersionNotFound.archived(model, row.number)
    if row.status != "ready":
        raise VersionNotReady(model, row.number, row.status)
    return row


def list_models(
    session: Session,
    grant: Grant,
    paging: Paging,
    *,
    text: str | None = None,
    tag: str | None = None,
) -> Page:
    """Models that ``grant`` covers, by name; ``text`` within the name, ``tag`` as ``key:value``.

    Raises ParameterMalformed.
    """
    query = select(ModelRow).where(_covered(grant)).order_by(ModelRow.name_key)
    if text:
        query = query.where(ModelRow.name_key.contains(name_key(text), autoescape=True))
    if tag:
        key, separator, value = tag.partition(":")
        if not separator:
            raise ParameterMalformed("tag", "key:value is asked.")
        query = query.where(
            exists().where(
                ModelTagRow.model == ModelRow.name,
                ModelTagRow.key == key,
                ModelTagRow.value == value,
            )
        )
    return _page(session, query, paging, model_view)


def list_versions(
    session: Session,
    model: str,
    paging: Paging,
    *,
    sort: str | None = None,
    status: str | None = None,
) -> Page:
    """Versions of ``model``, newest first unless ``sort`` says otherwise.

    ``sort`` is ``version``, ``created_at`` or ``metrics.<name>``, with ``-`` before it for the
    largest first; versions without that metric come last.

    Raises ModelNotFound, ParameterMalformed.
    """
    find_model(session, model)
    query = select(VersionRow).where(VersionRow.model == model)
    if status is not None:
        query = query.where(VersionRow.status == status)
    query = _sorted(query, sort or "-version")
    return _page(session, query, paging, version_view)


def list_history(session: Session, model: str, paging: Paging) -> Page:
    """What happened to ``model``, newest first. Raises ModelNotFound."""
    find_model(session, model)
    query = select(EventRow).where(EventRow.model == model).order_by(EventRow.seq.desc())
    return _page(session, query, paging, event_view)


def list_tokens(session: Session, paging: Paging) -> Page:
    """Every token that was made, newest first, without its value."""
    return _page(session, select(TokenRow).order_by(TokenRow.id.desc()), paging, token_view)


def own_token(session: Session, grant: Grant) -> View:
    """The token that ``grant`` came with, without its value. Raises TokenNotFound."""
    row = session.get(TokenRow, grant.token_id)
    if row is None:
        raise TokenNotFound(str(grant.token_id))
    return token_view(row)


def policy_of(session: Session, model: str) -> View:
    """The gates of ``model``; none where nobody has set any. Raises ModelNotFound."""
    find_model(session, model)
    row = session.get(PolicyRow, model)
    return (
        {"gates": [], "updated_at": None, "updated_by": None} if row is None else policy_view(row)
    )


def current_holdout(session: Session, model: str) -> HoldoutRow | None:
    """The holdout that versions of ``model`` are measured on now."""
    return session.scalar(
        select(HoldoutRow).where(HoldoutRow.model == model, HoldoutRow.removed_at.is_(None))
    )


def holdout_of(session: Session, model: str) -> View:
    """The holdout in use. Raises ModelNotFound, HoldoutNotFound."""
    find_model(session, model)
    row = current_holdout(session, model)
    if row is None:
        raise HoldoutNotFound(model)
    return holdout_view(row)


def list_holdouts(session: Session, model: str, paging: Paging) -> Page:
    """Every holdout that ``model`` ever had, newest first. Raises ModelNotFound."""
    find_model(session, model)
    query = select(HoldoutRow).where(HoldoutRow.model == model).order_by(HoldoutRow.number.desc())
    return _page(session, query, paging, holdout_view)


def aliases_of(session: Session, model: str) -> list[View]:
    """The aliases of ``model`` by name. Raises ModelNotFound."""
    aliases = find_model(session, model).aliases
    return [{"alias": row.name, "version": row.number} for row in aliases]


def model_view(row: ModelRow) -> View:
    return {
        "name": row.name,
        "description": row.description,
        "tags": {tag.key: tag.value for tag in row.tags},
        "aliases": {alias.name: alias.number for alias in row.aliases},
        "status": "active" if row.archived_at is None else "archived",
        "last_version": row.last_number or None,
        "generation": row.generation,
        "created_at": moment(row.created_at),
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
        "created_at": moment(row.created_at),
        "created_by": row.created_by,
    }
    if row.failure is not None:
        view["failure"] = row.failure
    return view


def policy_view(row: PolicyRow) -> View:
    return {
        "gates": row.gates,
        "updated_at": moment(row.updated_at),
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
        "created_at": moment(row.created_at),
        "created_by": row.created_by,
        "removed_at": None if row.removed_at is None else moment(row.removed_at),
        "removed_by": row.removed_by,
    }


def event_view(row: EventRow) -> View:
    view: View = {
        "seq": row.seq,
        "at": moment(row.at),
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
        "scopes": row.scopes,
        "models": row.models,
        "created_at": moment(row.created_at),
        "created_by": row.created_by,
        "expires_at": None if row.expires_at is None else moment(row.expires_at),
        "revoked_at": None if row.revoked_at is None else moment(row.revoked_at),
    }


def moment(at: datetime) -> str:
    """A moment as RFC 3339 in UTC with milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _page(
    session: Session,
    query: Select[_Row],
    paging: Paging,
    view: Callable[[_Row], View],
) -> Page:
    total = session.scalar(select(func.count()).select_from(query.order_by(None).subquery()))
    rows: Sequence[_Row] = session.scalars(
        query.limit(paging.page_size).offset((paging.page - 1) * paging.page_size)
    ).all()
    return {
        "items": [view(row) for row in rows],
        "page": paging.page,
        "page_size": paging.page_size,
        "total": total or 0,
    }


def _covered(grant: Grant) -> ColumnElement[bool]:
    """The grant's glob patterns as SQL, so that pages and totals hold only what it covers."""
    if grant.models is None:
        return ModelRow.name == ModelRow.name
    return or_(
        *(ModelRow.name_key.like(_like(name_key(pattern)), escape="\\") for pattern in grant.models)
    )


def _like(pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def _sorted(query: Select[VersionRow], sort: str) -> Select[VersionRow]:
    descending, key = sort.startswith("-"), sort.removeprefix("-")
    column: Any
    if key in {"version", "created_at"}:
        column = VersionRow.number
    elif key.startswith("metrics.") and key != "metrics.":
        name = key.removeprefix("metrics.")
        query = query.outerjoin(
            MetricRow,
            and_(
                MetricRow.model == VersionRow.model,
                MetricRow.number == VersionRow.number,
                MetricRow.name == name,
            ),
        )
        column = MetricRow.value
    else:
        raise ParameterMalformed("sort", "version, created_at or metrics.<name> is asked.")
    order = column.desc() if descending else column.asc()
    return query.order_by(nulls_last(order), VersionRow.number.desc())
