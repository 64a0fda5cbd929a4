"""Models in the order of their last change or of their recent predictions.

The figures of all models that are found are compared in memory, and only those of a page are read.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, get_args

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from registry.errors import ParameterMalformed
from registry.reading.pages import Page, Paging, page_of
from registry.reading.queries import list_models, models_with
from registry.reading.views import model_view
from registry.storage.tables import EventRow, ModelRow, utc_now
from registry.tokens import Grant
from registry.watching.recorded_traffic import HOUR, Figures, figures_of, grouped, read_traffic
from registry.watching.traffic import floor

ModelSort = Literal["name", "updated", "requests", "failures"]
MODEL_SORTS: tuple[ModelSort, ...] = get_args(ModelSort)


def sorted_models(
    session: Session,
    grant: Grant,
    paging: Paging,
    *,
    sort: str | None = None,
    text: str | None = None,
    tag: str | None = None,
    first: Collection[str] = (),
) -> Page:
    """A page of ``list_models`` in the order ``sort``, with ``-`` before it for the largest first;
    the models named in ``first`` come before the others.

    ``updated`` is by the last event, ``requests`` by the number of predictions in this hour and the
    one before, ``failures`` by the part of them that failed; equal ones are by name. The cursor is
    the name of a model.

    Raises ParameterMalformed.
    """
    order = sort or "name"
    descending, key = order.startswith("-"), order.removeprefix("-")
    if key == "name" and not first:
        return list_models(session, grant, paging, text=text, tag=tag, descending=descending)
    query = models_with(grant, text, tag)
    names = list(
        session.scalars(query.with_only_columns(ModelRow.name).order_by(ModelRow.name_key))
    )
    figures = _figures(session, key, query)
    # Python's sort keeps the order of equal ones, also with ``reverse``.
    if key == "name" and descending:
        names.reverse()
    names.sort(key=lambda name: figures.get(name, 0), reverse=descending)
    names.sort(key=lambda name: name not in first)
    start = paging.offset if paging.after is None else _place_after(names, paging.after)
    shown = names[start : start + paging.page_size + 1]
    return page_of(
        _in_order(session, shown),
        model_view,
        paging,
        total=len(names),
        cursor=lambda row: row.name,
    )


def _figures(session: Session, key: str, query: Select[ModelRow]) -> Mapping[str, float]:
    """What models are ordered by, by name; those without have 0. Raises ParameterMalformed."""
    if key == "name":
        return {}
    if key == "updated":
        # A search in an index for each model, whatever the number of its events.
        last = (
            select(func.max(EventRow.seq)).where(EventRow.model == ModelRow.name).scalar_subquery()
        )
        found = session.execute(query.with_only_columns(ModelRow.name, last))
        return {name: seq or 0 for name, seq in found}
    if key == "requests":
        return {model: figures.requests for model, figures in recent_predictions(session).items()}
    if key == "failures":
        return {
            model: one.failed_share or 0.0 for model, one in recent_predictions(session).items()
        }
    raise ParameterMalformed("sort", f"expected one of {', '.join(MODEL_SORTS)}.")


def recent_predictions(session: Session) -> dict[str, Figures]:
    """The predictions of this hour and the one before, by model; without models that had none."""
    this = floor(utc_now(), HOUR)
    rows = read_traffic(session, None, HOUR, this - HOUR, this + HOUR)
    return {model: figures_of(its) for model, its in grouped(rows, lambda row: row.model).items()}


def _place_after(names: Sequence[str], name: str) -> int:
    """Where the names after ``name`` begin. Raises ParameterMalformed."""
    if name not in names:
        raise ParameterMalformed("after", "there is no such model; use the 'next' of a page.")
    return names.index(name) + 1


def _in_order(session: Session, names: Sequence[str]) -> list[ModelRow]:
    found = {
        row.name: row for row in session.scalars(select(ModelRow).where(ModelRow.name.in_(names)))
    }
    return [found[name] for name in names]
