"""What the aliases of models point at, since when, by whom and why, with the version's metrics.

A few queries for all models of a page, whatever their number of versions.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from registry.reading.alias_moves import move_view
from registry.reading.queries import find_model
from registry.reading.splits import arms_of
from registry.reading.stored_evaluation import Interval
from registry.reading.trail import trail
from registry.reading.views import View
from registry.storage.tables import AliasRow, EventRow, MetricRow, ModelRow, VersionRow

Key = tuple[str, int]
"""Model and number."""

MOST_BEFORE = 20
"""How many of the versions that an alias can go back to are listed."""
_MOVES = ("promoted", "rolled_back")


class Bounds(msgspec.Struct, frozen=True):
    """The 95% intervals of a version's metrics, and what always guessing the same would give."""

    intervals: dict[str, Interval] = {}
    baseline: dict[str, float] = {}


def bounds_of(session: Session, keys: Collection[Key]) -> dict[Key, Bounds]:
    """The intervals and the baseline of each of these versions, as stored; malformed ones are left
    out."""
    query = select(
        VersionRow.model,
        VersionRow.number,
        VersionRow.evaluation["metric_intervals"],
        VersionRow.evaluation["baseline"],
    ).where(tuple_(VersionRow.model, VersionRow.number).in_(keys))
    return {
        (model, number): Bounds(
            _read(intervals, dict[str, Interval]), _read(baseline, dict[str, float])
        )
        for model, number, intervals, baseline in session.execute(query)
    }


def with_bounds(session: Session, versions: Sequence[View]) -> list[View]:
    """Views of versions, each with its ``metric_intervals`` and ``baseline``, as ``bounds_of``."""
    bounds = bounds_of(session, [(one["model"], one["version"]) for one in versions])
    return [
        {
            **one,
            "metric_intervals": bounds[one["model"], one["version"]].intervals,
            "baseline": bounds[one["model"], one["version"]].baseline,
        }
        for one in versions
    ]


def live_versions(session: Session, models: Collection[str]) -> dict[str, list[View]]:
    """By model, a view of each alias and of the version that it points at, by name of the alias.

    ``since``, ``by``, ``reason``, ``forced`` and ``rolled_back`` are of the event that moved it.
    ``split``: the versions that it is split over, of which it points at one; None: it is not split.
    """
    aliases = session.execute(
        select(AliasRow.model, AliasRow.name, AliasRow.number, AliasRow.split_by)
        .where(AliasRow.model.in_(models))
        .order_by(AliasRow.model, AliasRow.name)
    ).all()
    keys = {(model, number) for model, _, number, _ in aliases}
    versions = _versions(session, keys)
    bounds = bounds_of(session, keys)
    moves = _last_moves(session, models)
    arms = arms_of(session, {model for model, _, _, by in aliases if by is not None})
    found: dict[str, list[View]] = {}
    for model, alias, number, by in aliases:
        version, known = versions[model, number], bounds[model, number]
        found.setdefault(model, []).append(
            {
                "alias": alias,
                "version": number,
                "kind": version.kind,
                "task": version.task,
                "engine": version.engine.get("name"),
                "split": None if by is None else {"by": by, "arms": arms[model, alias]},
                **move_view(moves.get((model, alias))),
                "metrics": {metric.name: metric.value for metric in version.metrics},
                "metric_intervals": known.intervals,
                "baseline": known.baseline,
            }
        )
    return found


def aliases_of(session: Session, model: str) -> list[View]:
    """The aliases of ``model`` by name: what each points at, since when, by whom and why.

    ``trail`` are the versions that rollbacks go back to, the next one first, which is
    ``rollback_to``; at most ``MOST_BEFORE``.

    Raises NameMalformed, ModelNotFound.
    """
    find_model(session, model)
    kept = ("alias", "version", "split", "since", "by", "reason", "forced", "rolled_back")
    found = live_versions(session, [model]).get(model, [])
    return [
        {
            key: value
            for key, value in with_trail(session, model, one).items()
            if key in (*kept, "rollback_to", "trail")
        }
        for one in found
    ]


def with_trail(session: Session, model: str, live: View) -> View:
    """A view of ``live_versions``, with what its alias can go back to."""
    before = list(islice(trail(session, model, live["alias"]), 1, 1 + MOST_BEFORE))
    return {**live, "rollback_to": before[0] if before else None, "trail": before}


def with_live(session: Session, models: Sequence[View]) -> list[View]:
    """Views of models, each with ``live``: its aliases by name, the version that each points at and
    what a rollback goes back to; and ``newest_ready`` (None: no version is ready)."""
    names = [model["name"] for model in models]
    live, newest = live_versions(session, names), newest_ready(session, names)
    moves = _last_moves(session, names)
    return [
        {
            **model,
            "live": [
                {**one, "rollback_to": _rollback_to(session, moves, model["name"], one)}
                for one in live.get(model["name"], ())
            ],
            "newest_ready": newest.get(model["name"]),
        }
        for model in models
    ]


def _rollback_to(
    session: Session, moves: Mapping[tuple[str, str], EventRow], model: str, live: View
) -> int | None:
    """What a rollback of an alias goes back to; reads its trail only where that does not follow
    from its last move."""
    move = moves.get((model, live["alias"]))
    if move is not None and move.type == "promoted":
        return move.from_version
    number: int | None = with_trail(session, model, live)["rollback_to"]
    return number


def newest_ready(session: Session, models: Collection[str]) -> dict[str, int]:
    """By model, its highest version that is ready."""
    # A query for each model: with GROUP BY, SQLite would read every ready version.
    number = (
        select(func.max(VersionRow.number))
        .where(VersionRow.status == "ready", VersionRow.model == ModelRow.name)
        .scalar_subquery()
    )
    found = session.execute(select(ModelRow.name, number).where(ModelRow.name.in_(models)))
    return {row[0]: row[1] for row in found if row[1] is not None}


def newest_figures(session: Session, model: str, metric: str, most: int) -> dict[int, float]:
    """The metric of each of the ``most`` newest ready versions that has it, lowest number first."""
    newest = (
        select(VersionRow.number)
        .where(VersionRow.model == model, VersionRow.status == "ready")
        .order_by(VersionRow.number.desc())
        .limit(most)
    )
    query = (
        select(MetricRow.number, MetricRow.value)
        .where(
            MetricRow.model == model,
            MetricRow.name == metric,
            MetricRow.number.in_(list(session.scalars(newest))),
        )
        .order_by(MetricRow.number)
    )
    return {row[0]: row[1] for row in session.execute(query)}


def _versions(session: Session, keys: Iterable[Key]) -> dict[Key, VersionRow]:
    rows = session.scalars(
        select(VersionRow).where(tuple_(VersionRow.model, VersionRow.number).in_(keys))
    )
    return {(row.model, row.number): row for row in rows}


def _last_moves(session: Session, models: Collection[str]) -> dict[tuple[str, str], EventRow]:
    """The last event that moved each alias, by model and alias."""
    last = (
        select(func.max(EventRow.seq))
        .where(
            EventRow.model == AliasRow.model,
            EventRow.alias == AliasRow.name,
            EventRow.type.in_(_MOVES),
        )
        .correlate(AliasRow)
        .scalar_subquery()
    )
    query = select(EventRow).join(AliasRow, EventRow.seq == last).where(AliasRow.model.in_(models))
    return {(row.model or "", row.alias or ""): row for row in session.scalars(query)}


def _read(value: Any, type_: Any) -> Any:
    try:
        return msgspec.convert(value or {}, type_)
    except msgspec.ValidationError:
        return {}
