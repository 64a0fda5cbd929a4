"""What is kept of splits, and what must hold of it."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from benchmarks.bucket_rule import BUCKETS, Buckets
from registry.storage.database import Database
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, EventRow

Alias = tuple[str, str]
"""The names of a model and of one of its aliases."""
Changes = tuple[tuple[tuple[int, float], ...], ...]
"""The weights of a split from its beginning on: versions, ascending, and their percentages."""


def splits_of(session: Session) -> dict[str, Any]:
    """By model and alias: what the version is chosen by, and each version's weight and buckets."""
    return {
        f"{alias.model}/{alias.name}": [
            alias.split_by,
            [[arm.number, arm.weight, arm.ranges] for arm in _arms(session, alias)],
        ]
        for alias in session.scalars(select(AliasRow).order_by(AliasRow.model, AliasRow.name))
        if alias.split_by is not None
    }


def salt_of(database: Database, model: str, alias: str) -> bytes | None:
    """What keys are hashed with; None where the alias is not split."""
    with database.read() as session:
        return session.get_one(AliasRow, (model, alias)).split_salt


@lru_cache(maxsize=2048)
def owners_after(changes: Changes) -> tuple[int | None, ...]:
    """The version of each bucket, by the rule's second implementation."""
    *before, last = changes
    buckets = Buckets(dict(last), owners_after(tuple(before))) if before else Buckets(dict(last))
    return tuple(buckets.owners)


@lru_cache(maxsize=2048)
def arms_of(changes: Changes) -> list[Any]:
    """The versions with their weights and buckets, as ``splits_of`` tells them."""
    owners = owners_after(changes)
    return [[number, round(100 * share), _ranges(owners, number)] for number, share in changes[-1]]


def faults_of_splits(session: Session) -> Iterator[str]:
    """What does not hold: between alias and arms, and between them and the history."""
    expected = _replayed(session)
    for alias in session.scalars(select(AliasRow)):
        name, arms = f"{alias.model}/{alias.name}", _arms(session, alias)
        if (alias.split_by is None) is not (alias.split_salt is None) or (
            (alias.split_by is None) is (arms != [])
        ):
            yield f"the alias {name} is split by half"
        if arms and alias.number not in {arm.number for arm in arms}:
            yield f"the split of {name} is without its champion"
        owners: list[int | None] = [None] * BUCKETS
        for arm in arms:
            for start, end in arm.ranges:
                if any(owners[start:end]):
                    yield f"two versions of {name} have a bucket of {start} to {end}"
                owners[start:end] = [arm.number] * (end - start)
            if owners.count(arm.number) != arm.weight:
                yield f"{name}/{arm.number} has not as many buckets as its weight is"
        changes = expected.pop((alias.model, alias.name), ())
        if tuple(owners) != (owners_after(changes) if changes else (None,) * BUCKETS):
            yield f"the buckets of {name} are not those that follow from the history"
    yield from (f"the split of {alias} was not ended" for alias in expected)
    yield from _ungated(session)


def _arms(session: Session, alias: AliasRow) -> list[AliasArmRow]:
    query = select(AliasArmRow).where(
        AliasArmRow.model == alias.model, AliasArmRow.alias == alias.name
    )
    return list(session.scalars(query.order_by(AliasArmRow.number)))


def _ranges(owners: Sequence[int | None], number: int) -> list[list[int]]:
    ranges: list[list[int]] = []
    for place, owner in enumerate(owners):
        if owner != number:
            continue
        if ranges and ranges[-1][1] == place:
            ranges[-1][1] += 1
        else:
            ranges.append([place, place + 1])
    return ranges


def _events(session: Session) -> Iterator[EventRow]:
    yield from session.scalars(select(EventRow).order_by(EventRow.seq))


def _replayed(session: Session) -> dict[Alias, Changes]:
    """The splits that the history says there are."""
    splits: dict[Alias, Changes] = {}
    for event in _events(session):
        alias = (event.model or "", event.alias or "")
        if event.type == "split_ended":
            splits.pop(alias, None)
        elif event.type == "split_changed":
            weights = {int(number): share for number, share in event.details["weights"].items()}
            splits[alias] = (*splits.get(alias, ()), tuple(sorted(weights.items())))
    return splits


def _ungated(session: Session) -> Iterator[str]:
    """The versions that entered a split without the gate that always applies."""
    champions: dict[Alias, int | None] = {}
    for event in _events(session):
        alias = (event.model or "", event.alias or "")
        if event.type in {"promoted", "rolled_back"}:
            champions[alias] = event.to_version
        elif event.type == "split_changed":
            known = {str(champions[alias]), *(event.details["before"] or ())}
            for number in event.details["weights"].keys() - known:
                results = event.details.get("gates", {}).get(number, [])
                if not any(one["gate"] == "signature compatible" for one in results):
                    yield f"{alias[0]}/{number} entered a split without its gates"
