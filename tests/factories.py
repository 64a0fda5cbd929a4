"""Makes the rows and values that tests start from. Each takes only what matters to the test."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import delete

from registry.engines.served_version import ServedVersion
from registry.gates.inputs import GateInputs
from registry.gates.results import GateResult
from registry.names import name_key
from registry.signature import Column, Output, Signature
from registry.splits.buckets import first_ranges
from registry.splits.choice import SplitBy
from registry.storage.database import Database
from registry.storage.history import EventType, record
from registry.storage.split_tables import AliasArmRow
from registry.storage.tables import AliasRow, ModelRow, TokenRow, VersionRow
from registry.tokens import SCOPES, token_digest

NUMBERS = Signature(
    (Column("length", "number"), Column("width", "number")), Output("area", "number")
)
"""Two numbers in, one out."""

MIXED = Signature(
    (
        Column("age", "number", nullable=True),
        Column("visits", "integer"),
        Column("member", "boolean"),
        Column("city", "string", nullable=True),
    ),
    Output("spends", "boolean", (False, True)),
)
"""A column of each type, and two classes."""


def version_row(model: str, number: int, **given: Any) -> VersionRow:
    """A version that is ready and small, unless ``given`` says otherwise."""
    values = {
        "status": "ready",
        "kind": "linear",
        "task": "regression",
        "params": {},
        "signature": NUMBERS.to_json(),
        "input_example": {"length": 2.0, "width": 3.0},
        "format": "skops",
        "sha256": f"{number:064x}",
        "size": 100,
        "engine": {"name": "scikit-learn"},
        "lineage": {},
        "environment": {},
        "evaluation": {},
        "created_by": "tests",
    }
    return VersionRow(model=model, number=number, **{**values, **given})


def add_versions(
    database: Database, model: str, statuses: Iterable[str] = ("ready",), **given: Any
) -> None:
    """A model with a version for each of ``statuses``, and no events."""
    wanted = list(statuses)
    with database.write() as session:
        session.add(
            ModelRow(
                name=model, name_key=name_key(model), last_number=len(wanted), created_by="tests"
            )
        )
        session.flush()
        for number, status in enumerate(wanted, start=1):
            session.add(version_row(model, number, status=status, **given))


def set_split(
    database: Database,
    model: str,
    weights: Mapping[int, int],
    *,
    alias: str = "production",
    by: SplitBy = "header",
    salt: bytes = b"0123456789abcdef",
) -> None:
    """Split the alias, which exists, over versions by ``weights``; no weights: end its split."""
    ranges = first_ranges(weights) if weights else {}
    with database.write() as session:
        row = session.get_one(AliasRow, (model, alias))
        row.split_by, row.split_salt = (by, salt) if weights else (None, None)
        session.execute(
            delete(AliasArmRow).where(AliasArmRow.model == model, AliasArmRow.alias == alias)
        )
        for number, weight in weights.items():
            session.add(
                AliasArmRow(
                    model=model,
                    alias=alias,
                    number=number,
                    weight=weight,
                    ranges=[list(one) for one in ranges[number]],
                )
            )
        type_: EventType = "split_changed" if weights else "split_ended"
        record(session, type_, actor="tests", model=model, alias=alias)


def add_token(database: Database, value: str = "hsw_tests", **given: Any) -> int:
    """A token's row with all scopes; its id."""
    values = {"name": "tests", "scopes": list(SCOPES), "created_by": "tests"}
    with database.write() as session:
        row = TokenRow(digest=token_digest(value), **{**values, **given})
        session.add(row)
        session.flush()
        return row.id


def ungated(inputs: GateInputs) -> tuple[GateResult, ...]:
    """Replaces the evaluation of gates in tests without gates."""
    assert inputs.gates == ()
    return ()


def served(number: int = 1, **given: Any) -> ServedVersion:
    values: dict[str, Any] = {
        "model": "house",
        "format": "skops",
        "sha256": "0" * 64,
        "size": 100,
        "signature": NUMBERS,
        "input_example": None,
    }
    return ServedVersion(number=number, **{**values, **given})
