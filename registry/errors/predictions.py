"""Predictions, and versions that cannot answer."""

from registry.errors.base import Refused, Unavailable


class InputRefused(Refused):
    title = "Input refused"


class NoProbabilities(Refused):
    title = "No probabilities"

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"Version {number} of '{model}' has no probabilities to give.")


class PredictionRefused(Refused):
    title = "No prediction"


class PredictionTimedOut(Refused):
    """It is no 503: the same rows take as long again, so a caller should not repeat them."""

    title = "Prediction took too long"

    def __init__(self, seconds: float, rows: int) -> None:
        super().__init__(
            f"The model took over {seconds:g} s for the rows of this request ({rows}), so it was "
            "stopped. Send fewer rows in a request."
        )


class ModelProcessUnavailable(Unavailable):
    title = "Model's process unavailable"
    retry_after = 5

    def __init__(self, why: str) -> None:
        super().__init__(f"The process that answers for this version is not to be had: {why}.")


class VersionLoading(Unavailable):
    title = "Version is being loaded"
    retry_after = 5

    def __init__(self, model: str, number: int) -> None:
        super().__init__(f"Version {number} of '{model}' is still being loaded. Try again.")


class VersionUnavailable(Unavailable):
    """``why`` is what loading it came to; it is tried again from time to time."""

    title = "Version unavailable"
    retry_after = 30

    def __init__(self, model: str, number: int, why: str) -> None:
        self.why = why
        super().__init__(f"Version {number} of '{model}' cannot be loaded: {why}")
