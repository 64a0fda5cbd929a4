"""The kinds of models that can be trained, one file for each. Reads no data and fits nothing."""

from collections.abc import Mapping
from importlib import import_module

from registry.extras import is_installed, missing
from trainers.errors import KindUnavailable
from trainers.estimators.boosting import BOOSTING
from trainers.estimators.family import Family
from trainers.estimators.forest import FOREST
from trainers.estimators.linear import LINEAR
from trainers.estimators.logistic import LOGISTIC
from trainers.estimators.tree import TREE
from trainers.model_kinds import LIBRARY_KINDS, LibraryKind, TrainedKind

_OF_SKLEARN: Mapping[TrainedKind, Family] = {
    family.kind: family for family in (LINEAR, LOGISTIC, TREE, FOREST, BOOSTING)
}


def family_of(kind: TrainedKind) -> Family:
    """The family of ``kind``. Raises KindUnavailable where its library cannot be imported."""
    for library in LIBRARY_KINDS:
        if kind == library:
            return _of_library(library)
    return _OF_SKLEARN[kind]


def _of_library(library: LibraryKind) -> Family:
    """The libraries are imported here, when a recipe names one."""
    if not is_installed(library):
        raise KindUnavailable(missing(library, f"Training with kind = '{library}'"))
    try:
        import_module(library)
    except (ImportError, OSError, ValueError) as error:
        raise KindUnavailable(
            f"Training with kind = '{library}' requires {library}, which cannot be imported: "
            f"{error}. Where libgomp is missing, install it: apt-get install libgomp1."
        ) from error
    if library == "xgboost":
        from trainers.estimators.xgboost import XGBOOST

        return XGBOOST
    from trainers.estimators.lightgbm import LIGHTGBM

    return LIGHTGBM
