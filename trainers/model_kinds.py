"""The kinds of models that can be trained. Imports no scikit-learn."""

from typing import Literal, get_args

TrainedKind = Literal["linear", "logistic", "tree", "forest", "boosting"]
TRAINED_KINDS: tuple[TrainedKind, ...] = get_args(TrainedKind)
