"""The table of a model's versions: which ones, in which order, with which metrics."""

from collections.abc import Sequence
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from console.pages.model_live import difference_to_live
from console.queries import number_in_query
from registry.reading.live_versions import bounds_of
from registry.reading.pages import Page, Paging
from registry.reading.queries import list_versions
from registry.reading.views import View
from registry.signature import KINDS
from registry.storage.tables import STATUSES

PAGE_SIZE = 50
MOST_METRICS = 3
_REDUNDANT = frozenset({"mse"})
"""Shown only if it is chosen: RMSE is its square root."""


def versions_table(
    session: Session, name: str, metrics: Sequence[str], metric: str | None, live: View | None
) -> dict[str, Any]:
    """The page of versions that the URL names, with their differences to the live one in
    ``metric``, one of ``metrics``."""
    paging = Paging(number_in_query("page"), PAGE_SIZE)
    wanted = {key: request.args.get(key, "").strip() for key in ("status", "kind", "tag")}
    found = list_versions(
        session, name, paging, sort=request.args.get("sort") or None, **_given(wanted)
    )
    return {
        "versions": found,
        "paging": paging,
        "rows": _rows(session, name, found, metric, live),
        "shown_metrics": _shown(metrics, metric),
        "most_metrics": MOST_METRICS,
        "wanted": wanted,
        "statuses": STATUSES,
        "kinds": KINDS,
    }


def _given(wanted: dict[str, str]) -> dict[str, str]:
    return {key: text for key, text in wanted.items() if text}


def _shown(metrics: Sequence[str], metric: str | None) -> list[str]:
    """The metrics that have a column: those of the URL, else ``metric`` and the usual ones."""
    chosen = [one for one in metrics if one in request.args.getlist("m")]
    if not chosen:
        usual = [one for one in metrics if one == metric or one not in _REDUNDANT]
        chosen = sorted(usual, key=lambda one: one != metric)
    return chosen[:MOST_METRICS]


def _rows(
    session: Session, name: str, versions: Page, metric: str | None, live: View | None
) -> list[View]:
    """The versions of a page, each with its intervals and its difference to the live one."""
    bounds = bounds_of(session, [(name, item["version"]) for item in versions["items"]])
    rows = []
    for item in versions["items"]:
        known = bounds[name, item["version"]]
        row: dict[str, Any] = {**item, "metric_intervals": known.intervals}
        row["difference"] = difference_to_live(metric, item, known, live)
        rows.append(row)
    return rows
