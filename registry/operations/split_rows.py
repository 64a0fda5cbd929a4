"""The rows of a split, within a write transaction in which the model is locked."""

import secrets
from collections.abc import Mapping
from typing import Any, Literal

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from registry.reading.splits import weights_of
from registry.splits.buckets import Ranges, changed_ranges, first_ranges
from registry.splits.choice import SALT_BYTES, SplitBy
from registry.splits.weights import percentages
from registry.storage.history import record
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow

Why = Literal["ended", "promoted", "rolled_back", "alias_deleted", "model_archived"]
"""The operation that ended a split."""


def write_split(session: Session, alias: AliasRow, weights: Mapping[int, int], by: SplitBy) -> None:
    """Split ``alias``, or change the weights of its split.

    The salt stays while the split lasts, and as few buckets as possible change their version.
    """
    arms = {
        arm.number: arm
        for arm in session.scalars(
            select(AliasArmRow).where(
                AliasArmRow.model == alias.model, AliasArmRow.alias == alias.name
            )
        )
    }
    before: dict[int, Ranges] = {
        number: tuple((start, end) for start, end in arm.ranges) for number, arm in arms.items()
    }
    ranges = changed_ranges(before, weights) if arms else first_ranges(weights)
    for number in arms.keys() - weights.keys():
        session.delete(arms[number])
    for number, weight in weights.items():
        arm = arms.get(number)
        if arm is None:
            arm = AliasArmRow(model=alias.model, alias=alias.name, number=number)
            session.add(arm)
        arm.weight, arm.ranges = weight, [list(one) for one in ranges[number]]
    alias.split_by = by
    if alias.split_salt is None:
        alias.split_salt = secrets.token_bytes(SALT_BYTES)


def clear_split(
    session: Session,
    alias: AliasRow,
    why: Why,
    *,
    actor: str,
    reason: str | None = None,
    details: Mapping[str, Any] | None = None,
    via: str | None = None,
) -> bool:
    """End the split of ``alias`` and record that; False: it is not split.

    From then on its champion answers all requests. The caller increases the generation.
    """
    if alias.split_by is None:
        return False
    weights = weights_of(session, alias.model, alias.name)
    session.execute(
        delete(AliasArmRow).where(AliasArmRow.model == alias.model, AliasArmRow.alias == alias.name)
    )
    by, alias.split_by, alias.split_salt = alias.split_by, None, None
    record(
        session,
        "split_ended",
        actor=actor,
        model=alias.model,
        alias=alias.name,
        reason=reason,
        details={"weights": percentages(weights), "by": by, "why": why, **(details or {})},
        via=via,
    )
    return True
