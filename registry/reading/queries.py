"""Finds models, versions, holdouts and policies, and lists them in pages."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from registry.errors import (
    FormNotFound,
    HoldoutNotFound,
    ModelNotFound,
    ParameterMalformed,
    TokenNotFound,
    VersionNotFound,
    VersionNotReady,
)
from registry.names import LATEST, check_model_name, name_key, parse_reference
from registry.reading.metric_order import page_by_metric
from registry.reading.pages import Page, Paging, count, numbered_page, page_of
from registry.reading.views import (
    View,
    event_view,
    holdout_view,
    model_view,
    policy_view,
    token_view,
    version_view,
)
from registry.storage.tables import (
    AliasRow,
    EventRow,
    HoldoutRow,
    ModelRow,
    ModelTagRow,
    PolicyRow,
    TokenRow,
    VersionRow,
    VersionTagRow,
    utc_now,
)
from registry.tokens import Grant, TokenState


def find_model(session: Session, name: str, options: Sequence[ORMOption] = ()) -> ModelRow:
    """Raises NameMalformed or ModelNotFound."""
    row = session.get(ModelRow, check_model_name(name), options=options)
    if row is None:
        raise ModelNotFound(name)
    return row


def find_version(
    session: Session, model: str, reference: str, options: Sequence[ORMOption] = ()
) -> VersionRow:
    """The version that ``reference`` (a number, an alias or ``latest``) refers to.

    Raises NameMalformed, ReferenceMalformed, ModelNotFound or VersionNotFound.
    """
    check_model_name(model)
    parsed = parse_reference(reference)
    if isinstance(parsed, int):
        row = session.get(VersionRow, (model, parsed), options=options)
    elif parsed == LATEST:
        row = session.scalar(
            select(VersionRow)
            .where(VersionRow.model == model, VersionRow.status == "ready")
            .order_by(VersionRow.number.desc())
            .limit(1)
            .options(*options)
        )
    else:
        row = session.scalar(
            select(VersionRow)
            .join(
                AliasRow,
                and_(AliasRow.model == VersionRow.model, AliasRow.number == VersionRow.number),
            )
            .where(AliasRow.model == model, AliasRow.name == parsed)
            .options(*options)
        )
    if row is None:
        find_model(session, model)
        raise VersionNotFound(model, reference)
    return row


def find_ready_version(
    session: Session, model: str, reference: str, options: Sequence[ORMOption] = ()
) -> VersionRow:
    """As ``find_version``. Raises also VersionNotReady."""
    return _check_ready(find_version(session, model, reference, options))


def find_usable_version(
    session: Session, model: str, reference: str, options: Sequence[ORMOption] = ()
) -> VersionRow:
    """As ``find_ready_version``, for predictions: an archived version raises VersionNotFound."""
    row = find_version(session, model, reference, options)
    if row.status == "archived":
        raise VersionNotFound.archived(model, row.number)
    return _check_ready(row)


def evaluations_of(
    session: Session, model: str, numbers: Collection[int]
) -> dict[int, dict[str, Any]]:
    """The stored evaluations of versions of ``model``, by number."""
    query = select(VersionRow.number, VersionRow.evaluation).where(
        VersionRow.model == model, VersionRow.number.in_(numbers)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def compiled_forms(row: VersionRow) -> dict[str, str]:
    """The SHA-256 of each compiled form that predicts as the service does, by its name.

    A version that was uploaded as ONNX is served from its artifact.
    """
    return {} if row.format == "onnx" else dict(row.compiled)


def compiled_form(row: VersionRow, form: str) -> str:
    """The SHA-256 of one compiled form. Raises FormNotFound."""
    forms = compiled_forms(row)
    if form not in forms:
        raise FormNotFound(row.model, row.number, form, forms)
    return forms[form]


def _check_ready(row: VersionRow) -> VersionRow:
    if row.status != "ready":
        raise VersionNotReady(row.model, row.number, row.status)
    return row


def list_models(
    session: Session,
    grant: Grant,
    paging: Paging,
    *,
    text: str | None = None,
    tag: str | None = None,
    descending: bool = False,
) -> Page:
    """Models that ``grant`` covers, by name; ``text`` within the name, ``tag`` as ``key:value``;
    ``descending``: the last name first.

    Raises ParameterMalformed.
    """
    query = models_with(grant, text, tag)
    found = query.order_by(ModelRow.name_key.desc() if descending else ModelRow.name_key)
    if paging.after is not None:
        after = name_key(paging.after)
        found = found.where(ModelRow.name_key < after if descending else ModelRow.name_key > after)
    return page_of(
        session.scalars(found.limit(paging.page_size + 1).offset(paging.offset)).all(),
        model_view,
        paging,
        total=count(session, query),
        cursor=lambda row: row.name,
    )


def models_with(grant: Grant, text: str | None, tag: str | None) -> Select[ModelRow]:
    """The query of ``list_models``, without an order. Raises ParameterMalformed."""
    query = select(ModelRow).where(covered_models(grant))
    if text:
        query = query.where(ModelRow.name_key.contains(name_key(text), autoescape=True))
    if not tag:
        return query
    key, value = _key_and_value(tag)
    return query.where(
        exists().where(
            ModelTagRow.model == ModelRow.name,
            ModelTagRow.key == key,
            ModelTagRow.value == value,
        )
    )


def _key_and_value(tag: str) -> tuple[str, str]:
    """The parts of ``key:value``. Raises ParameterMalformed."""
    key, separator, value = tag.partition(":")
    if not separator:
        raise ParameterMalformed("tag", "expected key:value.")
    return key, value


def list_versions(
    session: Session,
    model: str,
    paging: Paging,
    *,
    sort: str | None = None,
    status: str | None = None,
    kind: str | None = None,
    tag: str | None = None,
) -> Page:
    """Versions of ``model``, newest first unless ``sort`` says otherwise; only those with this
    ``status``, ``kind`` and ``tag``, which is ``key:value``.

    ``sort`` is ``version``, ``created_at`` or ``metrics.<name>``, with ``-`` before it for the
    largest first; versions without that metric come last.

    Raises ModelNotFound, ParameterMalformed.
    """
    find_model(session, model)
    wanted = _conditions(status, kind, tag)
    query = select(VersionRow).where(VersionRow.model == model, *wanted)
    total = count(session, query)
    order = sort or "-version"
    descending, key = order.startswith("-"), order.removeprefix("-")
    if key in {"version", "created_at"}:
        return numbered_page(
            session,
            query,
            paging,
            version_view,
            VersionRow.number,
            ascending=not descending,
            total=total,
        )
    metric = key.removeprefix("metrics.")
    if not metric or metric == key:
        raise ParameterMalformed("sort", "expected version, created_at or metrics.<name>.")
    return page_by_metric(
        session,
        query,
        paging,
        version_view,
        model=model,
        metric=metric,
        descending=descending,
        wanted=wanted,
        total=total,
    )


def _conditions(status: str | None, kind: str | None, tag: str | None) -> list[ColumnElement[bool]]:
    """Of ``VersionRow``. Raises ParameterMalformed."""
    found = []
    if status:
        found.append(VersionRow.status == status)
    if kind:
        found.append(VersionRow.kind == kind)
    if tag:
        key, value = _key_and_value(tag)
        found.append(
            exists().where(
                VersionTagRow.model == VersionRow.model,
                VersionTagRow.number == VersionRow.number,
                VersionTagRow.key == key,
                VersionTagRow.value == value,
            )
        )
    return found


def newest_ready_versions(session: Session, model: str, most: int) -> list[VersionRow]:
    """The ``most`` newest versions that are ready, newest first, without counting all."""
    query = select(VersionRow).where(VersionRow.model == model, VersionRow.status == "ready")
    return list(session.scalars(query.order_by(VersionRow.number.desc()).limit(most)))


def list_history(session: Session, model: str, paging: Paging) -> Page:
    """What happened to ``model``, newest first. Raises ModelNotFound."""
    find_model(session, model)
    query = select(EventRow).where(EventRow.model == model)
    return numbered_page(session, query, paging, event_view, EventRow.seq)


def latest_events(session: Session, model: str, most: int) -> list[View]:
    """The last events of ``model``, newest first, without counting them."""
    query = select(EventRow).where(EventRow.model == model).order_by(EventRow.seq.desc())
    return [event_view(row) for row in session.scalars(query.limit(most))]


def list_tokens(
    session: Session, paging: Paging, *, state: TokenState | None = None, text: str | None = None
) -> Page:
    """Tokens, newest first, without their values; ``text`` within the name, in any case."""
    query = select(TokenRow)
    if state is not None:
        query = query.where(_in_state(state))
    if text:
        query = query.where(func.lower(TokenRow.name).contains(text.lower(), autoescape=True))
    return numbered_page(session, query, paging, token_view, TokenRow.id)


def find_token(session: Session, token_id: int) -> View:
    """The token, without its value. Raises TokenNotFound."""
    row = session.get(TokenRow, token_id)
    if row is None:
        raise TokenNotFound(token_id)
    return token_view(row)


def own_token(session: Session, grant: Grant) -> View:
    """The token that ``grant`` came with, without its value. Raises TokenNotFound."""
    return find_token(session, grant.token_id)


def policy_of(session: Session, model: str) -> View:
    """The gates of ``model``; none if none were set. Raises ModelNotFound."""
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
    query = select(HoldoutRow).where(HoldoutRow.model == model)
    return numbered_page(session, query, paging, holdout_view, HoldoutRow.number)


def _in_state(state: TokenState) -> ColumnElement[bool]:
    if state == "revoked":
        return TokenRow.revoked_at.is_not(None)
    expired = TokenRow.expires_at <= utc_now()
    if state == "expired":
        return and_(TokenRow.revoked_at.is_(None), expired)
    return and_(TokenRow.revoked_at.is_(None), or_(TokenRow.expires_at.is_(None), ~expired))


def count_models(session: Session, patterns: Sequence[str] | None = None) -> int:
    """How many models there are, or match one of the glob patterns."""
    return count(session, select(ModelRow).where(_matching(patterns)))


def covered_models(grant: Grant) -> ColumnElement[bool]:
    """The grant's glob patterns as SQL, so that pages and totals hold only what it covers."""
    return _matching(grant.models)


def _matching(patterns: Sequence[str] | None) -> ColumnElement[bool]:
    if patterns is None:
        return ModelRow.name == ModelRow.name
    return or_(
        *(ModelRow.name_key.like(_like(name_key(pattern)), escape="\\") for pattern in patterns)
    )


def _like(pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")
