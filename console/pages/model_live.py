"""The part of a model's page that changes by itself: what is live, and what may follow."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from api.access import grant
from api.worker_reports import with_loaded_in, worker_reports
from console.gate_words import gates_passed
from console.noise import Difference, difference
from console.queries import main_metric
from console.review import verdict_of
from console.rollouts import RolloutShown, rollout_shown
from console.splits import split_shown
from console.traffic import after_change
from registry.errors import VersionNotFound
from registry.names import LATEST, PRODUCTION
from registry.reading.alerts import AlertFilter, alerts_of
from registry.reading.live_versions import (
    Bounds,
    bounds_of,
    live_versions,
    newest_ready,
    with_trail,
)
from registry.reading.pages import Paging
from registry.reading.queries import find_model, find_version, policy_of
from registry.reading.views import View, model_view, version_view
from registry.storage.tables import utc_now
from registry.watching.rollouts import active_rollout, rollout_view

_ALERTS = Paging(1, 5)
"""The open alerts that are shown; a link leads to the others."""


def live_part(session: Session, name: str) -> dict[str, Any]:
    """The values of ``model_live.html``. Raises NameMalformed or ModelNotFound."""
    model = model_view(find_model(session, name))
    live = _live(session, name)
    production = next((one for one in live if one["alias"] == PRODUCTION), None)
    return {
        "model": model,
        "live": live,
        "production": production,
        "candidate": _candidate(session, name, production),
        "change": after_change(session, name),
        "alerts": alerts_of(session, grant(), name, AlertFilter(is_open=True), _ALERTS),
        "rollouts": _rollouts(session, name, live),
        "splits": [split_shown(session, name, one["alias"]) for one in live if one["split"]],
        "newest": _newest(session, name),
    }


def difference_to_live(
    metric: str | None, version: View, bounds: Bounds, live: View | None
) -> Difference | None:
    """How the version differs from the live one; None if it is that, or lacks the metric."""
    if metric is None or live is None or version["version"] == live["version"]:
        return None
    figure, champion = version["metrics"].get(metric), live["metrics"].get(metric)
    if figure is None or champion is None:
        return None
    return difference(metric, figure, champion, bounds.intervals.get(metric))


def _live(session: Session, name: str) -> Sequence[View]:
    """The aliases of the model, with the version that each can go back to."""
    live = live_versions(session, [name]).get(name, [])
    return [
        {
            **with_trail(session, name, one),
            "metric": main_metric(one["task"], one["metrics"]),
        }
        for one in with_loaded_in(live, worker_reports().loaded_of(name))
    ]


def _rollouts(session: Session, name: str, live: Sequence[View]) -> list[RolloutShown]:
    """The rollouts in progress."""
    now = utc_now()
    rows = [active_rollout(session, name, one["alias"]) for one in live]
    return [rollout_shown(rollout_view(row, now), now) for row in rows if row is not None]


def _newest(session: Session, name: str) -> View | None:
    """The newest version that is ready."""
    try:
        return version_view(find_version(session, name, LATEST))
    except VersionNotFound:
        return None


def _candidate(session: Session, name: str, production: View | None) -> View | None:
    """The newest ready version, if it is newer than the live one, how it differs from it, and the
    gates that it passed when they were last evaluated."""
    number = newest_ready(session, [name]).get(name)
    if production is None or number is None or number <= production["version"]:
        return None
    view = version_view(find_version(session, name, str(number)))
    bounds = bounds_of(session, [(name, number)])[name, number]
    verdict = verdict_of(session, name, number, PRODUCTION)
    return {
        "version": number,
        "metric": production["metric"],
        "difference": difference_to_live(production["metric"], view, bounds, production),
        "gates": gates_passed(verdict, policy_of(session, name)["gates"]),
    }
