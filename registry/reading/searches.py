"""Searches of models and versions with the filters and orders of ``search_filters``.

What is archived is in no result.
"""

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, String, cast, exists, func, literal, select, tuple_
from sqlalchemy.orm import Session, defer, lazyload

from registry.reading.queries import covered_models
from registry.reading.search_filters import (
    Comparison,
    Keys,
    Number,
    Text,
    TextOperator,
    parse_filter,
    parse_order,
)
from registry.storage.tables import ModelRow, ModelTagRow, VersionRow, VersionTagRow
from registry.tokens import Grant

MODEL_KEYS = Keys(texts=("name",))
VERSION_KEYS = Keys(
    texts=("name", "run_id", "source_path"), numbers=("version_number",), lists=("run_id",)
)

_COMPARED: Mapping[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_IS_PROMPT = "mlflow.prompt.is_prompt"
_NO_PROMPT = {("!=", "true"), ("=", "false")}
"""MLflow's client adds such a comparison to each search of models."""
_MODEL_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "name": ModelRow.name_key.expression,
    "creation_timestamp": ModelRow.created_at.expression,
    "last_updated_timestamp": ModelRow.updated_at.expression,
}
_VERSION_COLUMNS: Mapping[str, ColumnElement[Any]] = {
    "name": ModelRow.name_key.expression,
    "version_number": VersionRow.number.expression,
    "creation_timestamp": VersionRow.created_at.expression,
    "last_updated_timestamp": VersionRow.updated_at.expression,
}
_SEEN = (
    lazyload(VersionRow.metrics),
    *map(
        defer,
        (
            VersionRow.params,
            VersionRow.signature,
            VersionRow.input_example,
            VersionRow.engine,
            VersionRow.compiled,
            VersionRow.environment,
        ),
    ),
)
"""Without the metrics and the columns that nobody reads of what a search finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A filter, an order, and which of the results: ``most`` after the first ``skipped``."""

    filter: str = ""
    order_by: Sequence[str] = ()
    skipped: int = 0
    most: int


def search_models(session: Session, grant: Grant, search: Search) -> tuple[list[ModelRow], bool]:
    """The models that ``grant`` covers, by name unless ordered otherwise; whether there are more.

    Raises ParameterMalformed.
    """
    order = parse_order(search.order_by, _MODEL_COLUMNS)
    found = select(ModelRow).where(ModelRow.archived_at.is_(None), covered_models(grant))
    for comparison in parse_filter(search.filter, MODEL_KEYS):
        of_row = ModelTagRow.model == ModelRow.name
        columns = {"name": ModelRow.name}
        found = found.where(_condition(session, comparison, columns, ModelTagRow, of_row))
    found = found.order_by(*_ordered(_MODEL_COLUMNS, order), ModelRow.name_key)
    return _part(session, found, search)


def search_versions(
    session: Session, grant: Grant, search: Search
) -> tuple[list[VersionRow], bool]:
    """The versions of models that ``grant`` covers, the last updated first unless ordered
    otherwise, then by name, then the newest first; whether there are more.

    Raises ParameterMalformed.
    """
    order = parse_order(search.order_by, _VERSION_COLUMNS)
    found = (
        select(VersionRow)
        .join(ModelRow, ModelRow.name == VersionRow.model)
        .where(VersionRow.status != "archived", covered_models(grant))
        .options(lazyload(VersionRow.aliases), *_SEEN)
    )
    columns = {
        "name": VersionRow.model,
        "version_number": VersionRow.number,
        "run_id": VersionRow.run_id,
        "source_path": func.coalesce(VersionRow.source, _made_here()),
    }
    for comparison in parse_filter(search.filter, VERSION_KEYS):
        of_row = (VersionTagRow.model == VersionRow.model) & (
            VersionTagRow.number == VersionRow.number
        )
        found = found.where(_condition(session, comparison, columns, VersionTagRow, of_row))
    keys = _ordered(_VERSION_COLUMNS, order or [("last_updated_timestamp", True)])
    found = found.order_by(*keys, ModelRow.name_key, VersionRow.number.desc())
    return _part(session, found, search)


def highest_versions(session: Session, models: Collection[str]) -> dict[str, VersionRow]:
    """The version of the highest number of each of ``models`` that has one."""
    highest = (
        select(VersionRow.model, func.max(VersionRow.number))
        .where(VersionRow.model.in_(models), VersionRow.status != "archived")
        .group_by(VersionRow.model)
    )
    found = select(VersionRow).where(tuple_(VersionRow.model, VersionRow.number).in_(highest))
    return {row.model: row for row in session.scalars(found.options(*_SEEN))}


def _made_here() -> ColumnElement[str]:
    """The source of a version that no client of MLflow made: ``hotswap:/NAME/VERSION``."""
    number = cast(VersionRow.number, String)
    return literal("hotswap:/") + VersionRow.model + literal("/") + number


def _part(session: Session, found: Select[Any], search: Search) -> tuple[list[Any], bool]:
    rows = session.scalars(found.limit(search.most + 1).offset(search.skipped)).all()
    return list(rows[: search.most]), len(rows) > search.most


def _ordered(
    columns: Mapping[str, ColumnElement[Any]], order: Sequence[tuple[str, bool]]
) -> list[ColumnElement[Any]]:
    return [columns[key].desc() if descends else columns[key].asc() for key, descends in order]


def _condition(
    session: Session,
    comparison: Comparison,
    columns: Mapping[str, Any],
    tags: type[ModelTagRow | VersionTagRow],
    *of_row: ColumnElement[bool],
) -> ColumnElement[bool]:
    """``of_row``: which of the ``tags`` are those of the row. One without the tag meets nothing,
    except that what is not marked as a prompt is none."""
    if isinstance(comparison, Text) and comparison.is_tag:
        compared = _text(session, tags.value, comparison.operator, comparison.value)
        tagged = exists().where(*of_row, tags.key == comparison.key, compared)
        if (
            comparison.key != _IS_PROMPT
            or (comparison.operator, comparison.value) not in _NO_PROMPT
        ):
            return tagged
        return tagged | ~exists().where(*of_row, tags.key == comparison.key)
    column = columns[comparison.key]
    if isinstance(comparison, Text):
        return _text(session, column, comparison.operator, comparison.value)
    if isinstance(comparison, Number):
        return _COMPARED[comparison.operator](column, comparison.value)
    within: ColumnElement[bool] = column.in_(comparison.values)
    return within if comparison.operator == "IN" else ~within


def _text(
    session: Session, column: Any, operator_: TextOperator, value: str
) -> ColumnElement[bool]:
    """``LIKE`` is case-sensitive, ``ILIKE`` is not; neither has an escape character."""
    if operator_ in _COMPARED:
        return _COMPARED[operator_](column, value)
    # PostgreSQL reads a backslash as an escape character unless another one is given.
    escaped = value.replace("\\", "\\\\")
    compared: ColumnElement[bool]
    if operator_ == "ILIKE":
        compared = column.ilike(escaped, escape="\\")
    elif session.get_bind().dialect.name == "sqlite":  # whose LIKE does not mind case
        compared = column.op("GLOB", is_comparison=True)(_glob(value))
    else:
        compared = column.like(escaped, escape="\\")
    return compared


def _glob(pattern: str) -> str:
    """A pattern of LIKE as one of SQLite's GLOB."""
    kept = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(kept.get(character, character) for character in pattern)
