"""What a promotion would change: metrics, parameters, columns and data of two versions."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from console.noise import Difference, difference, measured_difference
from console.queries import metrics_in_order
from registry.errors import VerdictNotFound
from registry.gates.compatibility import incompatibilities
from registry.reading.comparison import compare
from registry.reading.live_versions import bounds_of
from registry.reading.verdict import kept_verdict
from registry.reading.views import View
from registry.signature import Signature
from registry.storage.tables import VersionRow


class MetricChange(NamedTuple):
    """A metric of the live version and of the one that would take its place."""

    name: str
    now: float | None
    then: float | None
    difference: Difference | None


@dataclass(frozen=True, slots=True)
class Changes:
    """``measured``: the metrics are of the holdout, else as claimed. ``parameters`` are rows of
    ``compare``. ``breaking``: why callers of the live version cannot call the other."""

    metrics: list[MetricChange]
    measured: bool
    parameters: list[View]
    breaking: list[str]
    same_columns: bool
    same_data: bool | None


def verdict_of(session: Session, model: str, number: int, alias: str) -> View | None:
    """The last evaluation of the version's gates; None if there is none that holds."""
    try:
        return kept_verdict(session, model, str(number), alias)
    except VerdictNotFound:
        return None


def changes(
    session: Session, live: VersionRow, candidate: VersionRow, verdict: View | None
) -> Changes:
    """What callers of ``live`` get differently from ``candidate``."""
    compared = compare(session, live.model, [str(live.number), str(candidate.number)])
    measured = verdict is not None and verdict["holdout"] is not None
    return Changes(
        metrics=_measured(live.task, verdict)
        if verdict is not None and measured
        else _claimed(session, candidate, compared["metrics"]),
        measured=measured,
        parameters=[row for row in compared["params"] if row["differs"]],
        breaking=list(
            incompatibilities(
                Signature.from_json(candidate.signature), Signature.from_json(live.signature)
            )
        ),
        same_columns=not any(row["differs"] for row in compared["signature"]),
        same_data=_same_data(compared["lineage"]),
    )


def _claimed(session: Session, candidate: VersionRow, rows: list[View]) -> list[MetricChange]:
    key = candidate.model, candidate.number
    intervals = bounds_of(session, [key])[key].intervals
    values: dict[str, Any] = {row["name"]: row["values"] for row in rows}
    found = []
    for name in metrics_in_order(candidate.task, values):
        now, then = values[name]
        known = now is not None and then is not None
        found.append(
            MetricChange(
                name,
                now,
                then,
                difference(name, then, now, intervals.get(name)) if known else None,
            )
        )
    return found


def _measured(task: str, verdict: View) -> list[MetricChange]:
    now = {} if verdict["champion"] is None else verdict["champion"]["metrics"]
    then = verdict["candidate"]["metrics"]
    found = []
    for name in metrics_in_order(task, {**now, **then}):
        change = verdict["differences"].get(name)
        found.append(
            MetricChange(
                name,
                now.get(name),
                then.get(name),
                None
                if change is None
                else measured_difference(name, then[name], now[name], change["interval"]),
            )
        )
    return found


def _same_data(lineage: list[View]) -> bool | None:
    """Whether both were trained on the same data; None: unknown."""
    for row in lineage:
        if row["name"] == "data_sha256" and not row["missing"]:
            return not row["differs"]
    return None
