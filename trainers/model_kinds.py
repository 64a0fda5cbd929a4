"""The kinds of models that can be trained. Imports no scikit-learn."""

from typing import Literal, get_args

from registry.signature import Kind

LibraryKind = Literal["xgboost", "lightgbm"]
TrainedKind = Literal["linear", "logistic", "tree", "forest", "boosting"] | LibraryKind
LIBRARY_KINDS: tuple[LibraryKind, ...] = get_args(LibraryKind)
"""The kinds that other libraries than scikit-learn train; each is an extra of the same name."""
TRAINED_KINDS: tuple[TrainedKind, ...] = (
    *("linear", "logistic", "tree", "forest", "boosting"),
    *LIBRARY_KINDS,
)


def kind_of_version(kind: TrainedKind) -> Kind:
    """The kind of a version that was trained as ``kind``."""
    return "boosting" if kind in LIBRARY_KINDS else kind
