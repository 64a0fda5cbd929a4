"""Fills a data directory with a registry of many models, versions and events.

A few small models are inspected and registered by the registry's operations. Every other version is
a copy of one of their rows and shares its bytes; it is written with its metrics, events and the
last outcome of its gates in large transactions. Registering every version would take hours: each
registration runs an inspection and waits for the disk several times. The events are chained as the
operations chain them, so the history can be verified.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.linear_model import LinearRegression
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from api.services import Services
from api.start import prepare
from config import Settings
from registry.names import PRODUCTION, name_key
from registry.operations.register import Metadata, register
from registry.rollouts.observed import Observed
from registry.rollouts.plan import parse_plan
from registry.storage.history import EventType, Head, event_hash
from registry.storage.rollout_tables import RolloutRow
from registry.storage.tables import (
    AliasRow,
    Base,
    EventRow,
    HistoryHeadRow,
    MetricRow,
    ModelRow,
    VerdictRow,
    VersionRow,
    utc_now,
)

TEMPLATES = 4
TEMPLATE = "template"
_ACTOR = "growth"
_MODELS_AT_ONCE = 100
_WRITTEN_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Size:
    """The number of models, and of versions and events of each; each model has one alias.

    ``events`` is at least ``2 * versions + 1``.
    """

    models: int
    versions: int
    events: int

    def __str__(self) -> str:
        return f"{self.models * self.versions:,} versions"


def name_of(model: int) -> str:
    """The name of the model with this index."""
    return f"model-{model:05}"


def fill(data: Path, size: Size, token: str) -> None:
    """Create the registry in ``data``; ``token`` is its admin token.

    Each version of a model was promoted in turn, so the alias points at the last.
    """
    services = Services.build(Settings(data=data, admin_token=token))
    try:
        prepare(services)
        for seed in range(TEMPLATES):
            _register_template(services, seed)
        for first in range(0, size.models, _MODELS_AT_ONCE):
            with services.database.write() as session:
                last = min(first + _MODELS_AT_ONCE, size.models)
                write_models(session, range(first, last), size)
    finally:
        services.close()


def small_model(seed: int) -> bytes:
    """A linear regression on four columns, as skops; a different one for each seed."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(50, 4))
    return bytes(skops.io.dumps(LinearRegression().fit(rows, rows @ rng.normal(size=4))))


def _register_template(services: Services, seed: int) -> None:
    with services.blobs.stage(services.settings.max_upload_bytes) as artifact:
        artifact.write(small_model(seed))
        register(
            services.database,
            services.inspector,
            TEMPLATE,
            artifact,
            Metadata(format="skops"),
            actor=_ACTOR,
        )


def write_models(session: Session, models: range, size: Size) -> None:
    """Add models whose versions are copies of those of the model ``template``."""
    templates = session.scalars(select(VersionRow).where(VersionRow.model == TEMPLATE)).all()
    head = session.execute(select(HistoryHeadRow)).scalar_one()
    chain = Chain(Head(head.seq, head.hash))
    numbers = range(1, size.versions + 1)
    for model in map(name_of, models):
        chain.add("model_created", model)
        for number in numbers:
            details = {"sha256": _of(templates, number).sha256, "format": "skops"}
            chain.add("registered", model, to_version=number, details=details)
        for number in numbers:
            before = number - 1 or None
            chain.add("promoted", model, alias=PRODUCTION, from_version=before, to_version=number)
        for number in range(size.events - 2 * size.versions - 1):
            chain.add("version_updated", model, to_version=number % size.versions + 1)
    names = [name_of(model) for model in models]
    last = size.versions
    previous = last - 1 or None
    _write(session, ModelRow, (_model(name, last) for name in names))
    versions = ((name, number) for name in names for number in numbers)
    rows = [_version(_of(templates, number), name, number) for name, number in versions]
    _write(session, VersionRow, rows)
    _write(session, MetricRow, (metric for row in rows for metric in _metrics(row)))
    aliases = ({"model": name, "name": PRODUCTION, "number": last} for name in names)
    _write(session, AliasRow, ({**alias, "previous_number": previous} for alias in aliases))
    if previous is not None:
        _write(session, RolloutRow, (_rollout(name, last) for name in names))
    _write(session, VerdictRow, (_verdict(name, number) for name in names for number in numbers))
    _write(session, EventRow, chain.events)
    head.seq, head.hash = chain.head.seq, chain.head.hash


class Chain:
    """Events that follow ``head``, as rows to insert."""

    def __init__(self, head: Head) -> None:
        self.head = head
        self.events: list[dict[str, Any]] = []

    def add(self, type_: EventType, model: str, **fields: Any) -> None:
        """Append an event."""
        absent = dict.fromkeys(("alias", "from_version", "to_version", "reason"))
        values = {
            **absent,
            "seq": self.head.seq + 1,
            "at": utc_now(),
            "type": type_,
            "actor": _ACTOR,
            "model": model,
            "details": {},
            "previous_hash": self.head.hash,
            **fields,
        }
        values["hash"] = event_hash(EventRow(**values))
        self.head = Head(values["seq"], values["hash"])
        self.events.append(values)


def _of(templates: Sequence[VersionRow], number: int) -> VersionRow:
    return templates[number % len(templates)]


def _model(name: str, last: int) -> dict[str, Any]:
    return {
        "name": name,
        "name_key": name_key(name),
        "last_number": last,
        "generation": last,
        "created_by": _ACTOR,
    }


def _version(template: VersionRow, model: str, number: int) -> dict[str, Any]:
    columns = {column.key: getattr(template, column.key) for column in VersionRow.__table__.columns}
    return {**columns, "model": model, "number": number}


def _metrics(version: dict[str, Any]) -> Iterator[dict[str, Any]]:
    key = {"model": version["model"], "number": version["number"]}
    for name in ("rmse", "r2"):
        yield {**key, "name": name, "value": 1.0 / (1 + key["number"])}


def _verdict(model: str, number: int) -> dict[str, Any]:
    champion = number - 1 or None
    key = {"model": model, "number": number, "alias": PRODUCTION, "champion": champion}
    return {**key, "gates": [], "holdout": None, "outcome": {}}


def _rollout(model: str, last: int) -> dict[str, Any]:
    """One that has ended with the promotion of the last version."""
    plan = parse_plan({"steps": [{"weight": 5, "minutes": 10}, {"weight": 100}]})
    moments = ("step_began_at", "deadline_at", "evidence_at", "ended_at")
    return {
        "model": model,
        "alias": PRODUCTION,
        "version": last,
        "champion": last - 1,
        "plan": plan.to_json(),
        "state": "promoted",
        "reason": "No guard failed.",
        "evidence": Observed.begin(plan, ()).to_json(),
        "created_by": _ACTOR,
        **dict.fromkeys(moments, utc_now()),
    }


def _write(session: Session, table: type[Base], rows: Any) -> None:
    waiting = list(rows)
    for start in range(0, len(waiting), _WRITTEN_AT_ONCE):
        session.execute(insert(table), waiting[start : start + _WRITTEN_AT_ONCE])
