"""The data that a card is made of."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from registry.reading.promotions import Promotion, measured_metrics, promotions_of
from registry.reading.queries import find_model, find_version
from registry.reading.stored_evaluation import StoredEvaluation, read_evaluation
from registry.reading.views import View, version_view


@dataclass(frozen=True, slots=True)
class Subject:
    """The version, and what other tables know about it."""

    view: View
    evaluation: StoredEvaluation
    model_description: str
    promotions: list[Promotion]
    measured: dict[str, float]

    @property
    def inputs(self) -> list[View]:
        columns: list[View] = self.view["signature"]["inputs"]
        return columns

    @property
    def output(self) -> View:
        output: View = self.view["signature"]["output"]
        return output


def read_subject(session: Session, model: str, reference: str) -> Subject:
    """Raises NameMalformed, ReferenceMalformed, ModelNotFound, VersionNotFound."""
    row = find_version(session, model, reference)
    return Subject(
        view=version_view(row),
        evaluation=read_evaluation(row.evaluation),
        model_description=find_model(session, model).description,
        promotions=promotions_of(session, model, row.number),
        measured=measured_metrics(session, model, row.number),
    )
