"""Versions in the order of one of their metrics; those without it come last, newest first.

The numbers of a page are read in order from the index of metrics, no more than the page has; then
only the versions of the page are read.
"""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select
from sqlalchemy.orm import Session

from registry.errors import ParameterMalformed
from registry.reading.pages import Page, Paging, count, page_of
from registry.storage.tables import MetricRow, VersionRow


def page_by_metric(
    session: Session,
    query: Select[VersionRow],
    paging: Paging,
    view: Callable[[VersionRow], dict[str, Any]],
    *,
    model: str,
    metric: str,
    descending: bool,
    wanted: Sequence[ColumnElement[bool]],
    total: int,
) -> Page:
    """The page of ``query``, the ``total`` versions of ``model`` that meet the conditions
    ``wanted`` of ``VersionRow``.

    Equal values are ordered newest first. The cursor is the number of a version. Raises
    ParameterMalformed where there is no such version.
    """
    figures = _figures(model, metric, wanted)
    without = query.with_only_columns(VersionRow.number).where(
        ~exists().where(
            MetricRow.model == model,
            MetricRow.number == VersionRow.number,
            MetricRow.name == metric,
        )
    )
    most = paging.page_size + 1
    by_value = MetricRow.value.desc() if descending else MetricRow.value.asc()
    ordered = figures.order_by(by_value, MetricRow.number.desc())
    numbers: list[int] = []
    if (after := paging.after_number(VersionRow.number)) is None:
        numbers += session.scalars(ordered.limit(most).offset(paging.offset)).all()
    elif (figure := _figure(session, model, after, metric)) is not None:
        numbers += session.scalars(ordered.where(_beyond(figure, after, descending)).limit(most))
    else:
        without = without.where(VersionRow.number < after)
    if len(numbers) < most and (measured := count(session, figures)) < total:
        newest = without.order_by(VersionRow.number.desc()).limit(most - len(numbers))
        numbers += session.scalars(newest.offset(max(0, paging.offset - measured))).all()
    return page_of(
        _in_order(session, model, numbers),
        view,
        paging,
        total=total,
        cursor=lambda row: row.number,
    )


def _figures(model: str, metric: str, wanted: Sequence[ColumnElement[bool]]) -> Select[int]:
    """The numbers of the versions that have the metric, and are ``wanted``."""
    figures = select(MetricRow.number).where(MetricRow.name == metric, MetricRow.model == model)
    if not wanted:
        return figures
    # Not a join: SQLite might start with the versions of a status, and sort all of them.
    return figures.where(
        exists().where(VersionRow.model == model, VersionRow.number == MetricRow.number, *wanted)
    )


def _beyond(figure: float, number: int, descending: bool) -> ColumnElement[bool]:
    """What follows the version with this value and number. The first condition lets the database
    search the index."""
    if descending:
        from_there, further = MetricRow.value <= figure, MetricRow.value < figure
    else:
        from_there, further = MetricRow.value >= figure, MetricRow.value > figure
    return and_(from_there, or_(further, MetricRow.number < number))


def _figure(session: Session, model: str, number: int, metric: str) -> float | None:
    """The metric of a version; None where it has none. Raises ParameterMalformed."""
    if session.get(VersionRow, (model, number)) is None:
        raise ParameterMalformed("after", "there is no such version; use the 'next' of a page.")
    row = session.get(MetricRow, (model, number, metric))
    return None if row is None else row.value


def _in_order(session: Session, model: str, numbers: Sequence[int]) -> list[VersionRow]:
    found = session.scalars(
        select(VersionRow).where(VersionRow.model == model, VersionRow.number.in_(numbers))
    )
    rows = {row.number: row for row in found}
    return [rows[number] for number in numbers]
