"""The models that several protocols list."""

from api.access import grant
from api.protocols.schemas import Schema, list_of, object_of
from api.services import services
from registry.names import PRODUCTION

SERVED: Schema = object_of({"models": list_of({"type": "string"})})


def served_models() -> list[str]:
    """The models that have a version in production and that the caller's token covers, by name."""
    references = services().watch.snapshot().references
    return sorted(
        name for name, of in references.items() if PRODUCTION in of and grant().covers(name)
    )
