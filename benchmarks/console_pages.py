"""The addresses of the console's pages, and of the API routes that show what they show.

``{model}`` is a model whose ``{last}`` version is live; ``MODEL`` is its page.
"""

MODEL = "/console/models/{model}"

PAGES = (
    "/console/models",
    "/console/models?q=model",
    MODEL,
    f"{MODEL}?range=all",
    f"{MODEL}?page=2",
    f"{MODEL}?sort=-metrics.rmse",
    f"{MODEL}/news",
    *(
        f"{MODEL}/{{last}}?tab={tab}"
        for tab in ("results", "plots", "columns", "origin", "card", "files")
    ),
    f"{MODEL}/1",
    f"{MODEL}/1/archive",
    f"{MODEL}/compare",
    f"{MODEL}/compare?v=1,2,3,4,{{last}}",
    f"{MODEL}/2/promote",
    f"{MODEL}/2/rollout",
    f"{MODEL}/rollback",
    f"{MODEL}/{{last}}/try",
    f"{MODEL}/{{last}}/try?tab=rows",
    f"{MODEL}/{{last}}/try?tab=file",
    f"{MODEL}/upload",
    f"{MODEL}/gates",
    f"{MODEL}/rollout",
    f"{MODEL}/rollout/abort",
    "/console/alerts",
    "/console/webhooks",
    "/console/webhooks/new",
    "/console/history",
    "/console/history?model={model}",
    "/console/tokens",
    "/console/tokens/new",
    "/console/tokens/matches?models=model-*",
    "/console/tokens/1",
    "/console/health",
    "/console/health/state",
)
POLLED = ("/console/models", MODEL, f"{MODEL}/{{last}}", "/console/history", "/console/tokens")
"""Pages whose content a script requests again every ten seconds."""
SEARCHES = (
    f"{MODEL}?status=ready",
    "/console/history?type=promoted",
    "/console/history?actor=nobody",
    "/console/history?from=2026-01-01&to=2026-01-31",
)
"""The versions of a status are counted, and filters search the history until a page is full."""

API = (
    "/models?include=live",
    "/models?include=live&sort=-updated",
    "/models/{model}/aliases",
    "/models/{model}/aliases/production?at=2100-01-01T00:00:00Z",
    "/models/{model}/traffic?window=30d",
    "/history",
    "/history?model={model}",
    "/history/head",
    "/tokens",
    "/health",
    "/models/{model}/versions?include=intervals",
)
