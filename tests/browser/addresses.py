"""Every page of the console, in the states that it can be in, by the endpoint that draws it.

Addresses of the console that are neither here nor in ``NO_PAGES`` fail
``tests/integration/console/test_addresses.py``.
"""

from typing import NamedTuple


class Address(NamedTuple):
    """``scopes`` are those of the visitor's token; without any, the visitor is not signed in."""

    name: str
    path: str
    status: int = 200
    scopes: tuple[str, ...] = ("admin",)


READER, PREDICTOR = ("upload",), ("predict",)
TABS = ("results", "plots", "columns", "origin", "card", "files")

PAGES: dict[str, tuple[Address, ...]] = {
    "sign_in.show": (Address("sign in", "/console/login", scopes=()),),
    "link.show": (Address("link that signs in", "/console/link", scopes=()),),
    "models.index": (
        Address("models", "/console/models"),
        Address("models, no match", "/console/models?q=nothing-of-this-name"),
        Address("models of a reader", "/console/models", scopes=READER),
    ),
    "model.show": (
        Address("model", "/console/models/rents"),
        Address("model after a change", "/console/models/rents?done=1"),
        Address("model of a reader", "/console/models/rents", scopes=READER),
        Address("model, 50 versions", "/console/models/busy"),
        Address("model, sorted", "/console/models/rents?sort=metrics.rmse&range=24h&metric=mae"),
        Address("model, nothing live", "/console/models/quiet"),
        Address("model, split", "/console/models/split"),
        Address("model, rollout", "/console/models/rolling"),
        Address("model, archived", "/console/models/old"),
        Address("model, hostile", "/console/models/hostile"),
        Address("unknown model", "/console/models/nobody", 404),
    ),
    "version.show": (
        *(Address(f"version, {tab}", f"/console/models/rents/2?tab={tab}") for tab in TABS),
        Address("version, plots of classes", "/console/models/species/1?tab=plots"),
        Address("version without figures", "/console/models/quiet/1"),
        *(
            Address(f"version, {tab}, hostile", f"/console/models/hostile/2?tab={tab}")
            for tab in TABS
        ),
        Address("unknown version", "/console/models/rents/99", 404),
    ),
    "archive.show": (
        Address("archive", "/console/models/rents/1/archive"),
        Address("archive what is live", "/console/models/rents/2/archive"),
        Address("archive, hostile", "/console/models/hostile/1/archive"),
    ),
    "compare.show": (
        Address("compare", "/console/models/rents/compare?v=2,4"),
        Address("compare, everything", "/console/models/busy/compare?v=1,2,3,44,50&all=1"),
        Address("compare, hostile", "/console/models/hostile/compare?v=1,2&all=1"),
        Address("compare, fault", "/console/models/rents/compare?v=2,99", 400),
    ),
    "promote.show": (
        Address("promote", "/console/models/rents/4/promote"),
        Address("promote the first", "/console/models/quiet/2/promote"),
        Address("promote what is live", "/console/models/rents/2/promote"),
        Address("promote beside a rollout", "/console/models/rolling/3/promote"),
        Address("promote, hostile", "/console/models/hostile/1/promote"),
        Address("promote without the scope", "/console/models/rents/4/promote", 403, PREDICTOR),
    ),
    "start_rollout.show": (
        Address("start a rollout", "/console/models/rents/4/rollout"),
        Address("start a rollout, nothing live", "/console/models/quiet/2/rollout"),
        Address("start a second rollout", "/console/models/rolling/3/rollout"),
        Address("start a rollout of a split", "/console/models/split/2/rollout"),
        Address("start a rollout of what is live", "/console/models/rents/2/rollout"),
        Address("start a rollout, hostile", "/console/models/hostile/1/rollout"),
    ),
    "rollout.show": (
        Address("rollout", "/console/models/rolling/rollout"),
        Address("rollout of a reader", "/console/models/rolling/rollout", scopes=READER),
        Address("no rollout", "/console/models/rents/rollout", 404),
    ),
    "rollout.show_verb": (
        Address("abort a rollout", "/console/models/rolling/rollout/abort"),
        Address("resume what is running", "/console/models/rolling/rollout/resume"),
    ),
    "rollback.show": (
        Address("end a split", "/console/models/split/rollback"),
        Address("roll back", "/console/models/rents/rollback"),
        Address("roll back, several", "/console/models/busy/rollback"),
        Address("roll back, nothing live", "/console/models/quiet/rollback"),
        Address("roll back, hostile", "/console/models/hostile/rollback"),
    ),
    "try.show": (
        Address("try", "/console/models/rents/2/try"),
        Address("try rows", "/console/models/rents/2/try?tab=rows"),
        Address("try a file", "/console/models/rents/2/try?tab=file"),
        Address("try a classifier", "/console/models/species/1/try"),
        Address("try without an example", "/console/models/quiet/1/try"),
        Address("try, hostile", "/console/models/hostile/2/try"),
        Address("try rows, hostile", "/console/models/hostile/2/try?tab=rows"),
    ),
    "history.show": (
        Address("history", "/console/history"),
        Address("history of a reader", "/console/history", scopes=READER),
        Address("history, no match", "/console/history?actor=nobody"),
        Address("history, hostile", "/console/history?model=hostile"),
    ),
    "alerts.show": (
        Address("alerts", "/console/alerts"),
        Address("alerts, none", "/console/alerts?kind=webhook"),
        Address("alerts of a reader", "/console/alerts", scopes=READER),
    ),
    "health.show": (
        Address("health", "/console/health"),
        Address("health for a reader", "/console/health", scopes=READER),
    ),
    "tokens.show": (
        Address("tokens", "/console/tokens"),
        Address("tokens, none", "/console/tokens?state=expired"),
        Address("tokens without the scope", "/console/tokens", 403, PREDICTOR),
    ),
    "tokens.show_new": (Address("new token", "/console/tokens/new"),),
    "tokens.show_one": (Address("token, hostile", "/console/tokens/2"),),
    "webhooks.show": (
        Address("webhooks", "/console/webhooks"),
        Address("webhooks without the scope", "/console/webhooks", 403, PREDICTOR),
    ),
    "webhooks.show_new": (Address("new webhook", "/console/webhooks/new"),),
    "webhooks.show_one": (
        Address("webhook", "/console/webhooks/1"),
        Address("unknown webhook", "/console/webhooks/99", 404),
    ),
    "upload.show": (
        Address("upload", "/console/models/rents/upload"),
        Address("upload the first", "/console/models/of-tomorrow/upload"),
        Address("uploaded", "/console/models/hostile/upload?uploaded=1"),
    ),
    "gates.show": (
        Address("gates", "/console/models/rents/gates"),
        Address("gates, none", "/console/models/hostile/gates"),
        Address("gates of a reader", "/console/models/rents/gates", scopes=READER),
    ),
    "unknown": (Address("unknown address", "/console/nothing/here", 404),),
}

NO_PAGES = {
    "home": "leads to the models",
    "get_asset": "a file of every page",
    "health.show_state": "the word in the frame of every page",
    "model.show_news": "what happened to a model since a page was loaded",
    "tokens.show_matches": "a part of the form of a token",
    "version.download": "a file",
    "plot_files.figures": "a file",
    "plot_files.drawing": "a file",
    "history.export": "a file",
}
"""Endpoints that are not pages."""
