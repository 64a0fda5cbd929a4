"""Fake collaborators for tests that are not about the real ones."""

from contextlib import contextmanager

from registry.engines.predictor import Predictions
from registry.intake.inspector import Inspection
from tests.factories import NUMBERS


class Clock:
    """A clock that moves only when ``now``, in seconds, is changed."""

    def __init__(self, now=1000.0):
        self.now = now

    def __call__(self):
        return self.now


class Constant:
    """A predictor of two numbers that predicts ``value`` for every row, and counts its calls."""

    signature = NUMBERS
    has_probabilities = False
    waits = False

    def __init__(self, value=1.0):
        self.value = value
        self.calls = 0

    def predict(self, batch, **_):
        self.calls += 1
        return Predictions([self.value] * batch.rows)


class QuickInspector:
    """Finds every artifact to be a linear model of two numbers, without opening it."""

    def __init__(self):
        self.asked = 0

    def inspect(self, path, *_):
        assert path.exists()
        self.asked += 1
        inspection = Inspection(
            kind="linear",
            task="regression",
            params={"fit_intercept": True},
            signature=NUMBERS.to_json(),
            environment={"scikit-learn": "1.9"},
        )
        return inspection, NUMBERS


class Preparer:
    """Replaces the workers that load a version before an alias moves."""

    def __init__(self, fails_with=None, meanwhile=None):
        self.prepared = []
        self._fails_with = fails_with
        self._meanwhile = meanwhile

    @contextmanager
    def __call__(self, version):
        self.prepared.append(version.number)
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            meanwhile()
        if self._fails_with is not None:
            raise self._fails_with
        yield
