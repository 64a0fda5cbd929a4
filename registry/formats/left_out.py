"""Objects that a model file contains and predictions do not need. They are never created.

A search is read as its best estimator. Everything else that is named here is read as None: score
functions, splitters, scorers, search trees of neighbors (rebuilt from the data), and so on. What
needs one of them to predict creates its own; see ``rebuilt``.
"""

from collections.abc import Mapping, Sequence

REPLACED: Mapping[str, Sequence[str]] = {
    "sklearn.frozen._frozen.FrozenEstimator": ("estimator",),
    "sklearn.linear_model._ransac.RANSACRegressor": ("estimator_", "estimator"),
    "sklearn.model_selection._search.GridSearchCV": ("best_estimator_", "estimator"),
    "sklearn.model_selection._search.RandomizedSearchCV": ("best_estimator_", "estimator"),
    "sklearn.model_selection._search_successive_halving.HalvingGridSearchCV": (
        "best_estimator_",
        "estimator",
    ),
    "sklearn.model_selection._search_successive_halving.HalvingRandomSearchCV": (
        "best_estimator_",
        "estimator",
    ),
}
"""For each class that predicts with another estimator unchanged, the attributes with that one: the
first if it is fitted, else the other."""

_CHOOSING = {
    "numpy.number",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.feature_selection._mutual_info.mutual_info_classif",
    "sklearn.feature_selection._mutual_info.mutual_info_regression",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_oneway",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.feature_selection._univariate_selection.r_regression",
}
"""What chose columns when the model was fitted, and the types that a selector names."""

_SEARCHING = {
    "sklearn.metrics._dist_metrics.newObj",
    "sklearn.neighbors._ball_tree.BallTree",
    "sklearn.neighbors._ball_tree.newObj",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neighbors._kd_tree.newObj",
    *(
        f"sklearn.metrics._dist_metrics.{name}Distance{bits}"
        for name in ("Chebyshev", "Euclidean", "Manhattan", "Minkowski")
        for bits in (32, 64)
    ),
}
"""The search trees of neighbors, whose indices compiled code follows unchecked."""

_REBUILT = {
    "functools.partial",
    "scipy._lib.array_api_compat.numpy._aliases.asarray",
    "sklearn.utils.validation.check_array",
}

_SPLITTING = {
    f"sklearn.model_selection._split.{name}"
    for name in (
        *("GroupKFold", "GroupShuffleSplit", "KFold", "LeaveOneGroupOut", "LeaveOneOut"),
        *("LeavePGroupsOut", "LeavePOut", "PredefinedSplit", "RepeatedKFold"),
        *("RepeatedStratifiedKFold", "ShuffleSplit", "StratifiedGroupKFold", "StratifiedKFold"),
        *("StratifiedShuffleSplit", "TimeSeriesSplit"),
    )
}

_SCORING = {
    "sklearn.metrics._scorer._MultimetricScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    *(
        f"sklearn.metrics._classification.{name}"
        for name in (
            *("accuracy_score", "balanced_accuracy_score", "brier_score_loss", "cohen_kappa_score"),
            *("d2_brier_score", "d2_log_loss_score", "f1_score", "fbeta_score", "jaccard_score"),
            *("log_loss", "matthews_corrcoef", "precision_score", "recall_score"),
        )
    ),
    *(
        f"sklearn.metrics._ranking.{name}"
        for name in ("average_precision_score", "roc_auc_score", "top_k_accuracy_score")
    ),
    *(
        f"sklearn.metrics._regression.{name}"
        for name in (
            *("d2_absolute_error_score", "d2_pinball_score", "explained_variance_score"),
            *("max_error", "mean_absolute_error", "mean_absolute_percentage_error"),
            *("mean_gamma_deviance", "mean_pinball_loss", "mean_poisson_deviance"),
            *("mean_squared_error", "mean_squared_log_error", "median_absolute_error"),
            *("r2_score", "root_mean_squared_error", "root_mean_squared_log_error"),
        )
    ),
}

_RESULTS = {
    "numpy.ma.MaskedArray",
    "numpy.ma.core.MaskedArray",
    "numpy.ma.core._mareconstruct",
    "scipy.stats._distn_infrastructure.rv_continuous_frozen",
    "scipy.stats._distn_infrastructure.rv_discrete_frozen",
    *(
        f"scipy.stats._continuous_distns.{name}_gen"
        for name in ("beta", "expon", "gamma", "halfnorm", "lognorm", "norm")
    ),
    *(
        f"scipy.stats._continuous_distns.{name}_gen"
        for name in ("loguniform", "reciprocal", "truncnorm", "uniform")
    ),
    *(
        f"scipy.stats._discrete_distns.{name}_gen"
        for name in ("binom", "geom", "poisson", "randint")
    ),
}
"""What a search records, and the distributions that it draws from."""

LEFT_OUT = frozenset(_CHOOSING | _SEARCHING | _REBUILT | _SPLITTING | _SCORING | _RESULTS)
"""The exact names that are read as None."""

SELECTED_TYPES = frozenset(
    {"builtins.object", "numpy.object_", "numpy.floating", "numpy.integer", "numpy.character"}
)
"""Types that a ``make_column_selector`` names, and that nothing on the allow-list names."""
