"""The version that is tried."""

from typing import NamedTuple

from flask import request
from sqlalchemy.orm import Session

from api.services import services
from console.trying.fields import Field, by_importance, fields_of
from console.trying.what_if import can_vary
from registry.reading.queries import find_usable_version
from registry.reading.stored_evaluation import StoredEvaluation, read_evaluation
from registry.reading.views import View, version_view
from registry.signature import Signature

TABS = {"row": "One row", "rows": "Paste rows", "file": "A file"}
"""The ways to send rows, in words."""


class Tried(NamedTuple):
    """A version; ``fields`` are in the order of its columns, ``by_weight`` the most important one
    first."""

    view: View
    signature: Signature
    evaluation: StoredEvaluation
    fields: list[Field]
    by_weight: list[Field]

    @property
    def model(self) -> str:
        return str(self.view["model"])

    @property
    def number(self) -> int:
        return int(self.view["version"])

    @property
    def varied(self) -> list[Field]:
        """The columns whose values training tells."""
        return [field for field in self.by_weight if can_vary(field)]

    @property
    def address(self) -> str:
        """Where programs send rows."""
        service = services().settings.public_url or request.url_root.rstrip("/")
        return f"{service}/models/{self.model}/{self.number}/predict"


def tried_version(session: Session, name: str, version: str) -> Tried:
    """Raises NameMalformed, ReferenceMalformed, NotFound, VersionNotReady."""
    row = find_usable_version(session, name, version)
    view, evaluation = version_view(row), read_evaluation(row.evaluation)
    signature = Signature.from_json(view["signature"])
    fields = fields_of(signature, evaluation)
    return Tried(view, signature, evaluation, fields, by_importance(fields, evaluation))
