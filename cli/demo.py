"""Two small demo models of real data.

``iris`` is a logistic regression. ``diabetes`` has two versions: a decision tree in production, and
a forest that is better on the same held-out rows and can be promoted.
"""

from typing import Literal

from api.services import Services
from config import Settings
from registry.operations.promote import PromotionRequest, promote
from registry.operations.register import Metadata, register
from registry.reading.pages import Paging
from registry.reading.queries import list_models
from registry.tokens import Grant
from trainers.recipe import Recipe
from trainers.training import train

_ACTOR = "demo"
_MODELS: tuple[tuple[str, Literal["logistic", "tree", "forest"], dict[str, int], bool], ...] = (
    ("iris", "logistic", {}, True),
    ("diabetes", "tree", {"max_depth": 3}, True),
    ("diabetes", "forest", {}, False),
)


def register_demo(settings: Settings) -> None:
    """Train, register and promote the demo models, unless the registry has models already."""
    services = Services.build(settings)
    everything = Grant(0, _ACTOR, frozenset({"admin"}), None)
    try:
        with services.database.read() as session:
            if list_models(session, everything, Paging())["total"]:
                return
        for name, kind, params, live in _MODELS:
            recipe = Recipe(name=name, data=f"sklearn:{name}", kind=kind, params=params)
            number = _register(services, recipe)
            if live:
                request = PromotionRequest(actor=_ACTOR, reason="demo model")
                promote(
                    services.database,
                    services.preparer.prepared,
                    name,
                    str(number),
                    request,
                    evaluate_gates=services.evaluator.results,
                )
    finally:
        services.close()


def _register(services: Services, recipe: Recipe) -> int:
    model = train(recipe)
    metadata = Metadata(**model.metadata())
    with services.blobs.stage(services.settings.max_upload_bytes) as artifact:
        artifact.write(model.artifact())
        result = register(
            services.database,
            services.inspector,
            recipe.name,
            artifact,
            metadata,
            actor=_ACTOR,
        )
    number: int = result.view["version"]
    return number
