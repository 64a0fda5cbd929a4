"""Predictions, and versions that cannot answer."""

from registry.errors.base import Refused, Unavailable


class InputRefused(Refused):
    title = "Input refused"


class NoProbabilities(Refused):
    title = "No probabilities"

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"Version {number} of '{model}' does not provide probabilities.")


class NoScores(Refused):
    title = "No scores"

    def __init__(self, model: str, number: int) -> None:
        super().__init__(
            f"Version {number} of '{model}' does not provide scores: only detectors of outliers do."
        )


class InputsRequireCsv(Refused):
    title = "Inputs require CSV"

    def __init__(self) -> None:
        super().__init__(
            "Only CSV replies can contain the rows of the request: send 'Accept: text/csv' with "
            "with_inputs=true."
        )


class PredictionRefused(Refused):
    title = "Prediction refused"


class PredictionTimedOut(Refused):
    """Not a 503: the same rows would take as long again, so the caller should not retry."""

    title = "Prediction took too long"

    def __init__(self, seconds: float, rows: int) -> None:
        super().__init__(
            f"The model took more than {seconds:g} s for the rows of this request ({rows}) and was "
            "stopped. Send fewer rows per request."
        )


class ModelProcessUnavailable(Unavailable):
    """``overloaded``: it runs, but has too many requests."""

    title = "Model process unavailable"
    retry_after = 5

    def __init__(self, why: str, *, overloaded: bool = False) -> None:
        self.overloaded = overloaded
        super().__init__(f"The model process of this version is unavailable: {why}.")


class VersionLoading(Unavailable):
    title = "Version is being loaded"
    retry_after = 5

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"Version {number} of '{model}' is still being loaded. Try again.")


class VersionUnavailable(Unavailable):
    """``why`` is the error of the last attempt to load it; loading is retried periodically."""

    title = "Version unavailable"
    retry_after = 30

    def __init__(self, model: str, number: int, why: str) -> None:
        self.why = why
        super().__init__(f"Version {number} of '{model}' cannot be loaded: {why}")
