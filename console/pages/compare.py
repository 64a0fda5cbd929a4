"""Versions side by side: their metrics, parameters, columns and origin, and what differs."""

import re
from collections.abc import Sequence
from itertools import islice
from typing import Any, NamedTuple

from flask import Blueprint, Response, request
from sqlalchemy.orm import Session

from api.access import allows, grant
from api.sessions import db
from console.charts.intervals import Intervals, intervals
from console.charts.metric import Figure
from console.formats import json_text
from console.fresh import live_page, model_state
from console.noise import Difference, difference
from console.pages.compared_plots import plots_compared
from console.queries import metrics_in_order
from console.rendering import page
from registry.errors import ReferenceMalformed, VersionNotFound
from registry.names import PRODUCTION
from registry.reading.comparison import compare
from registry.reading.live_versions import bounds_of, newest_ready
from registry.reading.queries import find_model, find_version
from registry.reading.trail import trail
from registry.reading.views import View, model_view

blueprint = Blueprint("compare", __name__)

LEAST, MOST = 2, 5
SECTIONS = (
    ("params", "Parameters"),
    ("signature", "Columns"),
    ("lineage", "Data and origin"),
    ("environment", "Environment"),
)
_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_HASH_SHOWN = 12


class Cell(NamedTuple):
    """A value in words; None: the version does not have it. ``is_like_base``: it is the same as
    that of another version, the base."""

    text: str | None
    is_like_base: bool


class MetricCell(NamedTuple):
    value: float | None
    difference: Difference | None
    is_best: bool


@blueprint.route("/models/<name>/compare", methods=["GET"])
@allows("any")
def show(name: str) -> Response:
    """Compare the versions that the URL names; by default the live one and the newest."""
    session = db.session()
    model = model_view(find_model(session, name))
    named = _references()
    references = named or _usual(session, model)
    numbers, fault = _numbers(session, name, references)
    if len(numbers) == 1 and (live := model["aliases"].get(PRODUCTION)) not in {None, *numbers}:
        numbers = [live, *numbers]
    if not fault and not LEAST <= len(numbers) <= MOST:
        fault = f"Choose {LEAST} to {MOST} versions; there are {len(numbers)}."

    def values() -> dict[str, Any]:
        live = model["aliases"].get(PRODUCTION)
        return {
            "model": model,
            "numbers": numbers,
            "typed": ", ".join(references if fault else map(str, numbers)),
            "fault": fault,
            "compared": {} if fault else _compared(session, name, numbers, live),
            "only_differences": not request.args.get("all"),
        }

    if fault and named:
        return page("compare.html", 400, **values())
    return live_page(lambda: model_state(session, name), "compare.html", values)


def _references() -> list[str]:
    """The versions of the URL: ``v=3&v=4`` means the same as ``v=3,4``."""
    listed = ",".join(request.args.getlist("v"))
    return list(dict.fromkeys(one.strip() for one in listed.split(",") if one.strip()))[:50]


def _usual(session: Session, model: View) -> list[str]:
    """The live version and the newest that is ready; if it is live, the one that was before it;
    without a live one the newest two."""
    newest = newest_ready(session, [model["name"]]).get(model["name"], 0)
    live, *before = [*islice(trail(session, model["name"], PRODUCTION), 2)] or [newest - 1]
    other = before[0] if before and live == newest else newest
    return [str(number) for number in sorted({live, other}) if number > 0]


def _numbers(session: Session, name: str, references: Sequence[str]) -> tuple[list[int], str]:
    """The numbers of the versions, and what is wrong with the references."""
    found: dict[int, None] = {}
    try:
        for reference in references:
            found[find_version(session, name, reference.removeprefix("v")).number] = None
    except (ReferenceMalformed, VersionNotFound) as error:
        return list(found), error.detail
    return list(found), ""


def _compared(session: Session, name: str, numbers: list[int], live: int | None) -> dict[str, Any]:
    """What the page shows of the versions: tables whose first column is the name of a row."""
    view = compare(session, name, list(map(str, numbers)))
    given = request.args.get("base", "")
    base = int(given) if given.isascii() and given.isdigit() and int(given) in numbers else None
    if base is None:
        base = live if live in numbers else numbers[0]
    bounds = bounds_of(session, [(name, number) for number in numbers])
    known = [bounds[name, number].intervals for number in numbers]
    place = numbers.index(base)
    task = view["versions"][place]["task"]
    return {
        "versions": view["versions"],
        "base": base,
        "live": live,
        "metrics": [
            _metric(row, numbers, place, [one.get(row["name"]) for one in known], live)
            for row in _in_order(task, view["metrics"])
        ],
        "measured": [
            _metric(row, numbers, place, None, live) for row in _in_order(task, view["measured"])
        ],
        "plots": plots_compared(session, name, numbers),
        "can_try": grant().has_scope("predict") and view["versions"][place]["status"] == "ready",
        "sections": [(title, _rows(view[key], numbers, place)) for key, title in SECTIONS],
    }


def _in_order(task: str, rows: list[View]) -> list[View]:
    by_name = {row["name"]: row for row in rows}
    return [by_name[name] for name in metrics_in_order(task, dict.fromkeys(by_name, 0.0))]


def _metric(
    row: View,
    numbers: list[int],
    place: int,
    bounds: Sequence[tuple[float, float] | None] | None,
    live: int | None,
) -> dict[str, Any]:
    """A metric of the versions; ``bounds`` None: they were measured, and differ in their rows."""
    values, base = row["values"], row["values"][place]
    cells = []
    for index, value in enumerate(values):
        found = None
        if bounds is not None and index != place and value is not None and base is not None:
            found = difference(row["name"], value, base, bounds[index])
        cells.append(MetricCell(value, found, numbers[index] in row["best"]))
    return {
        "name": row["name"],
        "better": row["better"],
        "differs": row["differs"],
        "cells": cells,
        "chart": None if bounds is None else _chart(numbers, values, bounds, live),
    }


def _chart(
    numbers: list[int],
    values: Sequence[float | None],
    bounds: Sequence[tuple[float, float] | None],
    live: int | None,
) -> Intervals:
    return intervals(
        [
            (number, None if value is None else Figure(number, value, bound, number == live))
            for number, value, bound in zip(numbers, values, bounds, strict=True)
        ]
    )


def _rows(rows: list[View], numbers: list[int], place: int) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        texts = [
            None if number in row["missing"] else _text(value)
            for number, value in zip(numbers, row["values"], strict=True)
        ]
        cells = [
            Cell(
                text[:_HASH_SHOWN] if text is not None and _HASH.fullmatch(text) else text,
                index != place and text == texts[place],
            )
            for index, text in enumerate(texts)
        ]
        found.append({"name": row["name"], "differs": row["differs"], "cells": cells})
    return found


def _text(value: Any) -> str:
    """A value as people read it: a column of the signature by its type."""
    if isinstance(value, dict) and value.keys() == {"type", "nullable"}:
        return f"{value['type']}, may be empty" if value["nullable"] else str(value["type"])
    if isinstance(value, list):
        return ", ".join(one if isinstance(one, str) else json_text(one) for one in value)
    return value if isinstance(value, str) else json_text(value)
