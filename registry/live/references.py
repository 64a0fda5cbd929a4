"""The references of models in the database: what each alias points at, or is split over."""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, and_, bindparam, func, select
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


_ARMS = and_(AliasArmRow.model == AliasRow.model, AliasArmRow.alias == AliasRow.name)
_PREVIOUS = aliased(VersionRow)
_PREVIOUS_IS_READY = and_(
    _PREVIOUS.model == AliasRow.model,
    _PREVIOUS.number == AliasRow.previous_number,
    _PREVIOUS.status == "ready",
)
# Made once: making one takes several times as long as it takes to execute it, and requests wait.
_LATEST = select(
    ModelRow.name,
    select(func.max(VersionRow.number))
    .where(VersionRow.status == "ready", VersionRow.model == ModelRow.name)
    .scalar_subquery(),
)
_TARGETS = select(AliasRow.model, AliasRow.name, AliasRow.number, _PREVIOUS.number).outerjoin(
    _PREVIOUS, _PREVIOUS_IS_READY
)
_SPLITS = (
    select(
        AliasRow.model,
        AliasRow.name,
        AliasRow.split_by,
        AliasRow.split_salt,
        AliasArmRow.number,
        AliasArmRow.ranges,
    )
    .join(AliasArmRow, _ARMS)
    .where(AliasRow.split_by.is_not(None))
)
_SOME: BindParameter[str] = bindparam("models", expanding=True)
_LATEST_OF_SOME = _LATEST.where(ModelRow.name.in_(_SOME))
_TARGETS_OF_SOME = _TARGETS.where(AliasRow.model.in_(_SOME))
_SPLITS_OF_SOME = _SPLITS.where(AliasRow.model.in_(_SOME))


def read_references(session: Session, models: Collection[str] | None) -> References:
    """The references of ``models``; None: of all."""
    if models is None:
        latest, targets, split_arms = _LATEST, _TARGETS, _SPLITS
    else:
        latest, targets, split_arms = _LATEST_OF_SOME, _TARGETS_OF_SOME, _SPLITS_OF_SOME
    some = None if models is None else {"models": list(models)}
    numbers = {
        model: {LATEST: number}
        for model, number in session.execute(latest, some)
        if number is not None
    }
    now, before = set(), set()
    for model, name, target, last in session.execute(targets, some):
        numbers.setdefault(model, {})[name] = target
        now.add((model, target))
        if last is not None:
            before.add((model, last))
    splits = _splits_of(session.execute(split_arms, some).all())
    for alias, split in splits.items():
        now |= {(alias.model, number) for number in split.numbers}
    return References(numbers, splits, now, before)


def _splits_of(rows: Iterable[Any]) -> dict[Alias, Split]:
    """The splits of the rows of ``_SPLITS``, one for each arm."""
    ranges: dict[Alias, dict[int, Ranges]] = {}
    choices: dict[Alias, tuple[SplitBy, bytes]] = {}
    for row in rows:
        alias = Alias(row.model, row.name)
        choices[alias] = row.split_by, row.split_salt or b""
        arm = tuple((start, end) for start, end in row.ranges)
        ranges.setdefault(alias, {})[row.number] = arm
    return {alias: Split(by, salt, ranges[alias]) for alias, (by, salt) in choices.items()}
