"""A version: its results, plots, columns, origin, card and files."""

from collections.abc import Callable
from typing import Any, NamedTuple

from flask import Blueprint, Response, redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from api.access import allows
from api.sending import send_blob
from api.services import services
from api.sessions import db
from console.forms.submitted import Form
from console.forms.tags import tag_lines
from console.fresh import live_page, model_state
from console.noise import difference
from console.plot_figures import FIGURES, figures_of
from console.queries import choice_in_query, metrics_in_order
from console.rendering import page
from console.review import verdict_of
from registry.cards.content import card_of
from registry.names import PRODUCTION
from registry.operations.description import revision_of
from registry.operations.evaluate import evaluate
from registry.plots.content import plots_of
from registry.reading.live_versions import live_versions
from registry.reading.promotions import measured_figures, promotions_of
from registry.reading.queries import compiled_forms, find_version, policy_of
from registry.reading.same_data import NEWEST_SEARCHED, trained_on
from registry.reading.stored_evaluation import StoredEvaluation, read_evaluation
from registry.reading.views import View, version_view
from registry.storage.tables import VersionRow

blueprint = Blueprint("version", __name__)


class Shown(NamedTuple):
    """The version of the page, and the session that it was read in."""

    session: Session
    row: VersionRow
    view: View


TABS = ("results", "plots", "columns", "origin", "card", "files")


@blueprint.route("/models/<name>/<version:version>", methods=["GET"])
@allows("any")
def show(name: str, version: str) -> AnyResponse:
    """Show a version; an alias or ``latest`` leads to its number."""
    row = find_version(db.session(), name, version)
    if version != str(row.number):
        tab = request.args.get("tab")
        there = url_for("console.version.show", name=name, version=row.number, tab=tab)
        return redirect(there, 302)
    tab = choice_in_query("tab", TABS)
    return live_page(
        lambda: f"{model_state(db.session(), name)} {row.status}",
        f"version_{tab}.html",
        lambda: _values(row, tab, Form()),
    )


@blueprint.route("/models/<name>/<version:version>/evaluate", methods=["POST"])
@allows("promote", instead="upload")
def evaluate_gates(name: str, version: str) -> AnyResponse:
    """Evaluate the gates against what is live in production, and show the outcome."""
    evaluate(services().database, services().evaluator.report, name, version)
    return redirect(url_for("console.version.show", name=name, version=version), 303)


def version_page(name: str, version: str, form: Form, status: int = 200) -> Response:
    """The page of a version; ``form`` is that of its description, once it was sent."""
    row = find_version(db.session(), name, version)
    tab = choice_in_query("tab", TABS)
    return page(f"version_{tab}.html", status, **_values(row, tab, form))


def _values(row: VersionRow, tab: str, form: Form) -> dict[str, Any]:
    session = db.session()
    view = version_view(row)
    return {
        "tab": tab,
        "tabs": TABS,
        "version": view,
        "live": next(iter(_live(session, row.model)), None),
        "form": form,
        "tag_text": tag_lines(view["tags"]),
        "revision": revision_of(view["description"], view["tags"]),
        **_OF_TAB[tab](Shown(session, row, view)),
    }


@blueprint.route("/models/<name>/<version:version>/artifact", methods=["GET"])
@allows("any")
def download(name: str, version: str) -> Response:
    """The uploaded file."""
    row = find_version(db.session(), name, version)
    return send_blob(row, row.sha256, row.format)


def _live(session: Session, name: str) -> list[View]:
    found = live_versions(session, [name]).get(name, [])
    return [one for one in found if one["alias"] == PRODUCTION]


def _results(shown: Shown) -> dict[str, Any]:
    evaluation = read_evaluation(shown.row.evaluation)
    live = next(iter(_live(shown.session, shown.row.model)), None)
    measured = measured_figures(shown.session, shown.row.model, shown.row.number)
    names = metrics_in_order(shown.row.task, shown.view["metrics"])
    return {
        "evaluation": evaluation,
        "metrics": [_metric(name, shown.view, evaluation, live) for name in names],
        "measured": {name: next(iter(figures.values())) for name, figures in measured.items()},
        "promotions": promotions_of(shown.session, shown.row.model, shown.row.number),
        "verdict": verdict_of(shown.session, shown.row.model, shown.row.number, PRODUCTION),
        "gates": policy_of(shown.session, shown.row.model)["gates"],
    }


def _metric(name: str, view: View, evaluation: StoredEvaluation, live: View | None) -> View:
    """A row of the table of metrics."""
    figure, interval = view["metrics"][name], evaluation.metric_intervals.get(name)
    champion = None if live is None else live["metrics"].get(name)
    is_live = live is not None and live["version"] == view["version"]
    found = None
    if champion is not None and not is_live:
        found = difference(name, figure, champion, interval)
    return {
        "name": name,
        "figure": figure,
        "interval": interval,
        "baseline": evaluation.baseline.get(name),
        "live": None if is_live else champion,
        "difference": found,
    }


def _plots(shown: Shown) -> dict[str, Any]:
    """``figures``: the plot of the URL whose figures are shown, empty for none."""
    evaluation = read_evaluation(shown.row.evaluation)
    figures = choice_in_query("figures", ("", *FIGURES))
    return {
        "plots": plots_of(evaluation),
        "figures": figures,
        "table": figures_of(evaluation, figures) if figures else None,
    }


def _columns(shown: Shown) -> dict[str, Any]:
    return {"evaluation": read_evaluation(shown.row.evaluation)}


def _origin(shown: Shown) -> dict[str, Any]:
    parent = shown.view["lineage"].get("parent_version")
    digest = shown.view["lineage"].get("data_sha256")
    return {
        "parent": parent if isinstance(parent, int) else None,
        "same_data": trained_on(shown.session, shown.row, digest)
        if isinstance(digest, str)
        else None,
        "newest_searched": NEWEST_SEARCHED,
    }


def _card(shown: Shown) -> dict[str, Any]:
    service = services().settings.public_url or request.url_root.rstrip("/")
    return {"card": card_of(shown.session, shown.row.model, str(shown.row.number), service)}


def _files(shown: Shown) -> dict[str, Any]:
    return {"forms": compiled_forms(shown.row)}


_OF_TAB: dict[str, Callable[[Shown], dict[str, Any]]] = {
    "results": _results,
    "plots": _plots,
    "columns": _columns,
    "origin": _origin,
    "card": _card,
    "files": _files,
}
