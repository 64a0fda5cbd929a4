"""The metrics of versions: measured on a holdout, or claimed by their uploaders."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from hotswap.metrics.bootstrap import Figures, drawn, interval
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
from registry.gates.holdout_predictions import HoldoutPredictions, predict_holdout
from registry.gates.holdouts import Holdout
from registry.gates.inputs import Candidate
from registry.gates.overlap import Overlap, open_overlap
from registry.gates.results import Measured

Load = Callable[[ServedVersion], Predictor]
"""The predictor of a version, which is loaded first if necessary."""

DEFAULT_LEVEL = 95.0
_MAX_ROC_AUC_CELLS = 2**20
"""Rows times classes beyond which roc_auc has no interval: it would take minutes."""
MEASUREMENT_ERRORS: tuple[type[RegistryError], ...] = (
    *(ArtifactRefused, BlobUnavailable, BodyMalformed, HoldoutRefused, InputRefused),
    *(PredictionRefused, PredictionTimedOut, TooLarge),
)
"""Errors of a measurement that trying again does not change."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """The metrics of a version and where they are from; ``reason``: why there are none.

    ``overlap``: the rows of the holdout that it was trained on; None: unknown.
    """

    version: int
    metrics: dict[str, float]
    measured_on: Measured | None
    reason: str | None = None
    predictions: HoldoutPredictions | None = None
    overlap: Overlap | None = None

    @property
    def rows_trained_on(self) -> int | None:
        """The number of rows of the holdout that the version was trained on; None: unknown."""
        return None if self.overlap is None else self.overlap.known

    def why_missing(self, metric: str) -> str:
        """Why the version has no value of ``metric``."""
        if self.reason is not None:
            return f"version {self.version} could not be measured: {self.reason}"
        if self.predictions is not None:
            return f"version {self.version}: {self.predictions.why_missing(metric)}"
        return f"version {self.version} claims no {metric}, and there is no holdout to measure it"


@dataclass(frozen=True, slots=True)
class Difference:
    """The candidate's metric minus the champion's, and its 95% interval."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class BootstrapFigures:
    """Each metric of the candidate and of the champion in every draw of the bootstrap."""

    candidate: Figures
    champion: Figures


def measure(
    candidate: Candidate, holdout: Holdout | None, blobs: BlobStore, load: Load
) -> Measurement:
    """The metrics of a version on ``holdout``; None: those that its uploader claims.

    A version that cannot predict the holdout has no metrics, but a reason.

    Raises ModelProcessUnavailable, VersionLoading.
    """
    number = candidate.version.number
    if holdout is None:
        return Measurement(number, dict(candidate.claimed), "claimed")
    try:
        predictor = load(candidate.version)
        overlap = open_overlap(
            blobs, candidate.training_rows, candidate.version.signature, holdout.target
        )
        with blobs.open(holdout.sha256) as file:
            predictions = predict_holdout(predictor, file, holdout, overlap)
    except MEASUREMENT_ERRORS as error:
        return Measurement(number, {}, None, error.detail)
    return Measurement(
        number, predictions.metrics(), "holdout", predictions=predictions, overlap=overlap
    )


def bootstrap(
    candidate: Measurement, champion: Measurement | None, metrics: Collection[str]
) -> BootstrapFigures | None:
    """Compute ``metrics`` for draws of the holdout's rows; None where nothing was predicted."""
    if candidate.predictions is None or not metrics:
        return None
    rows = candidate.predictions.rows
    if rows * len(candidate.predictions.signature.output.classes or ()) > _MAX_ROC_AUC_CELLS:
        metrics = [metric for metric in metrics if metric != "roc_auc"]
    if champion is None or champion.predictions is None:
        return BootstrapFigures(drawn([candidate.predictions], rows, metrics)[0], {})
    return BootstrapFigures(*drawn([candidate.predictions, champion.predictions], rows, metrics))


def differences(
    candidate: Measurement, champion: Measurement | None, figures: BootstrapFigures | None
) -> dict[str, Difference]:
    """The difference of each metric that both versions have."""
    if champion is None or figures is None:
        return {}
    return {
        metric: Difference(
            candidate.metrics[metric] - champion.metrics[metric],
            interval(figures.candidate[metric] - figures.champion[metric], DEFAULT_LEVEL),
        )
        for metric in candidate.metrics
        if metric in champion.metrics and metric in figures.candidate and metric in figures.champion
    }
