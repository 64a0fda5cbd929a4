"""The figures of versions: measured on a holdout, or those that their uploaders claim."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from registry.blobs.store import BlobStore
from registry.engines.predictor import Predictor
from registry.engines.served_version import ServedVersion
from registry.errors import (
    ArtifactRefused,
    BlobUnavailable,
    BodyMalformed,
    HoldoutRefused,
    InputRefused,
    PredictionRefused,
    PredictionTimedOut,
    RegistryError,
    TooLarge,
)
from registry.gates.holdout_predictions import Answered, answer
from registry.gates.holdouts import Holdout
from registry.gates.inputs import Candidate
from registry.gates.results import Measured
from registry.metrics.bootstrap import Figures, drawn, interval

Load = Callable[[ServedVersion], Predictor]
"""The predictor of a version, which is loaded if it was not."""

USUAL_LEVEL = 95.0
_MOST_DRAWN = 2**20
"""Rows times classes beyond which roc_auc is not drawn 1,000 times: it would take minutes."""
UNMEASURABLE: tuple[type[RegistryError], ...] = (
    *(ArtifactRefused, BlobUnavailable, BodyMalformed, HoldoutRefused, InputRefused),
    *(PredictionRefused, PredictionTimedOut, TooLarge),
)
"""What keeps a version from being measured, however soon one tries again."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of a version and where they are from; ``reason``: why there are none."""

    version: int
    metrics: dict[str, float]
    measured_on: Measured | None
    reason: str | None = None
    answered: Answered | None = None

    def why_not(self, metric: str) -> str:
        """Why there is no figure of ``metric``."""
        if self.reason is not None:
            return f"version {self.version} could not be measured: {self.reason}"
        if self.answered is not None:
            return f"version {self.version}: {self.answered.why_not(metric)}"
        return f"version {self.version} claims no {metric}, and there is no holdout to measure it"


@dataclass(frozen=True, slots=True)
class Difference:
    """The candidate's figure less the champion's, and the interval of 95% of the draws."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Draws:
    """What the bootstrap drew of the candidate and of the champion: 1,000 figures a metric."""

    candidate: Figures
    champion: Figures


def measure(
    candidate: Candidate, holdout: Holdout | None, blobs: BlobStore, load: Load
) -> Measurement:
    """The version's figures; a version that cannot answer has none, and the reason is said.

    Raises ModelProcessUnavailable, VersionLoading.
    """
    number = candidate.version.number
    if holdout is None:
        return Measurement(number, dict(candidate.claimed), "claimed")
    try:
        predictor = load(candidate.version)
        with blobs.open(holdout.sha256) as file:
            answered = answer(predictor, file, holdout)
    except UNMEASURABLE as error:
        return Measurement(number, {}, None, error.detail)
    return Measurement(number, answered.metrics(), "holdout", answered=answered)


def draw(
    candidate: Measurement, champion: Measurement | None, metrics: Collection[str]
) -> Draws | None:
    """Draw the holdout's rows anew; None where there is nothing to draw from."""
    if candidate.answered is None or not metrics:
        return None
    rows = candidate.answered.rows
    if rows * len(candidate.answered.signature.output.classes or ()) > _MOST_DRAWN:
        metrics = [metric for metric in metrics if metric != "roc_auc"]
    if champion is None or champion.answered is None:
        return Draws(drawn([candidate.answered], rows, metrics)[0], {})
    return Draws(*drawn([candidate.answered, champion.answered], rows, metrics))


def differences(
    candidate: Measurement, champion: Measurement | None, draws: Draws | None
) -> dict[str, Difference]:
    """For each metric that was measured of both."""
    if champion is None or draws is None:
        return {}
    return {
        metric: Difference(
            candidate.metrics[metric] - champion.metrics[metric],
            interval(draws.candidate[metric] - draws.champion[metric], USUAL_LEVEL),
        )
        for metric in candidate.metrics
        if metric in champion.metrics and metric in draws.candidate and metric in draws.champion
    }
