"""The kinds of models that can be trained, one file for each. Reads no data and fits nothing."""

from collections.abc import Mapping

from trainers.estimators.boosting import BOOSTING
from trainers.estimators.family import Family
from trainers.estimators.forest import FOREST
from trainers.estimators.linear import LINEAR
from trainers.estimators.logistic import LOGISTIC
from trainers.estimators.tree import TREE
from trainers.model_kinds import TrainedKind

FAMILIES: Mapping[TrainedKind, Family] = {
    family.kind: family for family in (LINEAR, LOGISTIC, TREE, FOREST, BOOSTING)
}
