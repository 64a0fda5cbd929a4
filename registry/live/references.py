"""The references of models in the database: what each alias points at, or is split over."""

from collections.abc import Collection
from typing import NamedTuple, cast

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session, aliased

from registry.engines.served_version import Key
from registry.names import LATEST
from registry.splits.buckets import Ranges
from registry.splits.choice import Split, SplitBy
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, ModelRow, VersionRow


class Alias(NamedTuple):
    """An alias of a model."""

    model: str
    name: str


class References(NamedTuple):
    """``numbers`` maps model and alias (or ``latest``) to a version.

    ``aliased`` are the versions that aliases point at or are split over, ``previous`` the ready
    versions that they pointed at before.
    """

    numbers: dict[str, dict[str, int]]
    splits: dict[Alias, Split]
    aliased: set[Key]
    previous: set[Key]


def read_references(session: Session, models: Collection[str] | None) -> References:
    """The references of ``models``; None: of all."""
    number = (
        select(func.max(VersionRow.number))
        .where(VersionRow.status == "ready", VersionRow.model == ModelRow.name)
        .scalar_subquery()
    )
    latest = select(ModelRow.name, number)
    previous = aliased(VersionRow)
    pointing = select(AliasRow.model, AliasRow.name, AliasRow.number, previous.number).outerjoin(
        previous,
        and_(
            previous.model == AliasRow.model,
            previous.number == AliasRow.previous_number,
            previous.status == "ready",
        ),
    )
    if models is not None:
        latest = latest.where(ModelRow.name.in_(models))
        pointing = pointing.where(AliasRow.model.in_(models))
    numbers = {
        model: {LATEST: number} for model, number in session.execute(latest) if number is not None
    }
    now, before = set(), set()
    for model, name, target, last in session.execute(pointing):
        numbers.setdefault(model, {})[name] = target
        now.add((model, target))
        if last is not None:
            before.add((model, last))
    splits = _read_splits(session, models)
    for alias, split in splits.items():
        now |= {(alias.model, number) for number in split.numbers}
    return References(numbers, splits, now, before)


def _read_splits(session: Session, models: Collection[str] | None) -> dict[Alias, Split]:
    """The splits of the aliases of ``models``; None: of all."""
    arms = and_(AliasArmRow.model == AliasRow.model, AliasArmRow.alias == AliasRow.name)
    query = (
        select(AliasRow, AliasArmRow.number, AliasArmRow.ranges)
        .join(AliasArmRow, arms)
        .where(AliasRow.split_by.is_not(None))
    )
    if models is not None:
        query = query.where(AliasRow.model.in_(models))
    rows: dict[Alias, AliasRow] = {}
    ranges: dict[Alias, dict[int, Ranges]] = {}
    for row, number, buckets in session.execute(query):
        alias = Alias(row.model, row.name)
        rows[alias] = row
        ranges.setdefault(alias, {})[number] = tuple((start, end) for start, end in buckets)
    return {
        alias: Split(cast("SplitBy", row.split_by), row.split_salt or b"", ranges[alias])
        for alias, row in rows.items()
    }
