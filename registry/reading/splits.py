"""The splits of aliases: which versions answer, with what weights, since when and by whom."""

from collections.abc import Collection, Mapping

from sqlalchemy import Subquery, bindparam, select, union
from sqlalchemy.orm import Session

from registry.errors import AliasNotFound, SplitNotFound
from registry.names import check_alias
from registry.reading.queries import find_model
from registry.reading.views import View, timestamp
from registry.splits.weights import percentage
from registry.storage.history import EventType
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, EventRow

_CHANGED: EventType = "split_changed"


def answering() -> Subquery:
    """The versions that aliases point at or are split over, once each: ``model``, ``alias`` and
    ``number``."""
    pointing = select(AliasRow.model, AliasRow.name.label("alias"), AliasRow.number)
    arms = select(AliasArmRow.model, AliasArmRow.alias, AliasArmRow.number)
    return union(pointing, arms).subquery()


_WEIGHTS = (
    select(AliasArmRow.number, AliasArmRow.weight)
    .where(AliasArmRow.model == bindparam("model"), AliasArmRow.alias == bindparam("alias"))
    .order_by(AliasArmRow.number)
)


def weights_of(session: Session, model: str, alias: str) -> dict[int, int]:
    """The weights in basis points of the versions that the alias is split over, by number in
    ascending order; none: it is not split."""
    return dict(session.execute(_WEIGHTS, {"model": model, "alias": alias}).all())


def arms_of(session: Session, models: Collection[str]) -> dict[tuple[str, str], list[View]]:
    """By model and alias, the versions that each alias of ``models`` is split over."""
    if not models:
        return {}
    query = (
        select(AliasArmRow)
        .where(AliasArmRow.model.in_(models))
        .order_by(AliasArmRow.model, AliasArmRow.alias, AliasArmRow.number)
    )
    found: dict[tuple[str, str], list[View]] = {}
    for arm in session.scalars(query):
        shown = {"version": arm.number, "weight": percentage(arm.weight)}
        found.setdefault((arm.model, arm.alias), []).append(shown)
    return found


def all_weights(session: Session, most: int) -> dict[tuple[str, str, int], float]:
    """The weights in percent of the arms of all splits by model, alias and version; the first
    ``most`` of them."""
    query = select(AliasArmRow.model, AliasArmRow.alias, AliasArmRow.number, AliasArmRow.weight)
    order = (AliasArmRow.model, AliasArmRow.alias, AliasArmRow.number)
    return {
        (model, alias, number): percentage(weight)
        for model, alias, number, weight in session.execute(query.order_by(*order).limit(most))
    }


def split_of(session: Session, model: str, alias: str) -> View:
    """The split of ``alias``: ``version`` is the champion; ``since``, ``changed_by`` and ``reason``
    are of the last change of its weights.

    Raises NameMalformed, AliasMalformed, ModelNotFound, AliasNotFound, SplitNotFound.
    """
    check_alias(alias)
    row = find_model(session, model)
    target = session.get(AliasRow, (model, alias))
    if target is None:
        raise AliasNotFound(model, alias)
    if target.split_by is None:
        raise SplitNotFound(model, alias)
    change = session.scalars(
        select(EventRow)
        .where(EventRow.model == model, EventRow.alias == alias, EventRow.type == _CHANGED)
        .order_by(EventRow.seq.desc())
        .limit(1)
    ).one()
    return {
        "model": model,
        "alias": alias,
        "version": target.number,
        "by": target.split_by,
        "arms": _arms(weights_of(session, model, alias)),
        "generation": row.generation,
        "since": timestamp(change.at),
        "changed_by": change.actor,
        "reason": change.reason,
    }


def _arms(weights: Mapping[int, int]) -> list[View]:
    return [{"version": number, "weight": percentage(weight)} for number, weight in weights.items()]
