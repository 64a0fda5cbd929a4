"""The shapes of the fitted attributes of each estimator on the allow-list."""

from collections.abc import Mapping

_REGRESSOR = {"coef_": "features outputs=1 | outputs features", "intercept_": "number | outputs"}
_CLASSIFIER = {"coef_": "scores features", "intercept_": "number | scores"}
_RIDGE_CLASSIFIER = {**_CLASSIFIER, "coef_": "scores features | features"}
_BAYES = {"feature_log_prob_": "classes features", "class_log_prior_": "classes"}
_MACHINE = {"class_weight_": "classes"}
_FOREST_CLASSIFIER = {"n_classes_": "= classes", "n_outputs_": "= 1"}
_CENTERS = {"cluster_centers_": "clusters features"}
_COMPONENTS = {
    "mean_": "features",
    "components_": "components features",
    "explained_variance_": "components",
    "n_components_": "= components",
}
_NEIGHBORS = {"_fit_X": "samples features", "n_samples_fit_": "= samples"}
_RANKING = {"support_": "features", "ranking_": "features"}
_SPREADING = {"X_": "samples features", "label_distributions_": "samples classes"}
_SCORES = {"scores_": "features", "pvalues_": "features"}

SHAPES: Mapping[str, Mapping[str, str]] = {
    "ARDRegression": _REGRESSOR,
    "AdaBoostClassifier": {"n_classes_": "= classes"},
    "BaggingClassifier": {"n_classes_": "= classes"},
    "BayesianRidge": _REGRESSOR,
    "BernoulliNB": _BAYES,
    "CategoricalNB": {"class_log_prior_": "classes", "n_categories_": "features"},
    "ComplementNB": {**_BAYES, "feature_all_": "features"},
    "DateEncoder": {"data_min_": "features", "data_max_": "features", "fill_": "features"},
    "DecisionTreeClassifier": _FOREST_CLASSIFIER,
    "DummyClassifier": {
        "class_prior_": "classes",
        "n_classes_": "= classes",
        "n_outputs_": "= 1",
    },
    "DummyRegressor": {"constant_": "1 outputs", "n_outputs_": "= outputs"},
    "ElasticNet": _REGRESSOR,
    "ElasticNetCV": _REGRESSOR,
    "EllipticEnvelope": {"location_": "features", "precision_": "features features"},
    "ExtraTreeClassifier": _FOREST_CLASSIFIER,
    "ExtraTreesClassifier": _FOREST_CLASSIFIER,
    "FactorAnalysis": {
        "mean_": "features",
        "components_": "components features",
        "noise_variance_": "features",
    },
    "FastICA": {"components_": "components features", "mean_": "features"},
    "GammaRegressor": _REGRESSOR,
    "GaussianNB": {
        "theta_": "classes features",
        "var_": "classes features",
        "class_prior_": "classes",
    },
    "GaussianProcessRegressor": {
        "X_train_": "samples features",
        "alpha_": "samples | samples outputs",
    },
    "GaussianRandomProjection": {"components_": "components features"},
    "GenericUnivariateSelect": _SCORES,
    "GradientBoostingClassifier": {
        "n_classes_": "= classes",
        "n_trees_per_iteration_": "= scores",
    },
    "GradientBoostingRegressor": {"n_trees_per_iteration_": "= 1"},
    "HistGradientBoostingClassifier": {
        "n_trees_per_iteration_": "= scores",
        "_baseline_prediction": "1 scores",
    },
    "HistGradientBoostingRegressor": {
        "n_trees_per_iteration_": "= 1",
        "_baseline_prediction": "1 1",
    },
    "HuberRegressor": _REGRESSOR,
    "IncrementalPCA": _COMPONENTS,
    "IterativeImputer": {"_min_value": "features", "_max_value": "features"},
    "KMeans": _CENTERS,
    "KNNImputer": {"_fit_X": "samples features", "_valid_mask": "features"},
    "KNeighborsClassifier": _NEIGHBORS,
    "KNeighborsRegressor": _NEIGHBORS,
    "KernelCenterer": {"K_fit_rows_": "features", "K_fit_all_": "number"},
    "KernelPCA": {
        "eigenvalues_": "components",
        "eigenvectors_": "samples components",
        "X_fit_": "samples features",
    },
    "KernelRidge": {"X_fit_": "samples features", "dual_coef_": "samples | samples outputs"},
    "LabelPropagation": _SPREADING,
    "LabelSpreading": _SPREADING,
    "Lars": _REGRESSOR,
    "LarsCV": _REGRESSOR,
    "Lasso": _REGRESSOR,
    "LassoCV": _REGRESSOR,
    "LassoLars": _REGRESSOR,
    "LassoLarsCV": _REGRESSOR,
    "LassoLarsIC": _REGRESSOR,
    "LinearDiscriminantAnalysis": {
        **_CLASSIFIER,
        "xbar_": "features",
        "scalings_": "features ranks",
    },
    "LinearRegression": _REGRESSOR,
    "LinearSVC": _CLASSIFIER,
    "LinearSVR": _REGRESSOR,
    "LogisticRegression": _CLASSIFIER,
    "LogisticRegressionCV": _CLASSIFIER,
    "MLPClassifier": {"n_outputs_": "= scores"},
    "MaxAbsScaler": {"scale_": "features"},
    "MinMaxScaler": {
        "scale_": "features",
        "min_": "features",
        "data_min_": "features",
        "data_max_": "features",
    },
    "MiniBatchKMeans": _CENTERS,
    "MissingIndicator": {"_n_features": "= features"},
    "MultiTaskElasticNet": _REGRESSOR,
    "MultiTaskElasticNetCV": _REGRESSOR,
    "MultiTaskLasso": _REGRESSOR,
    "MultiTaskLassoCV": _REGRESSOR,
    "MultinomialNB": _BAYES,
    "NearestCentroid": {"centroids_": "classes features", "class_prior_": "classes"},
    "NuSVC": _MACHINE,
    "Nystroem": {"components_": "components features", "normalization_": "components components"},
    "OneClassSVM": {"offset_": "1"},
    "OrthogonalMatchingPursuit": _REGRESSOR,
    "OrthogonalMatchingPursuitCV": _REGRESSOR,
    "OutputCodeClassifier": {"code_book_": "classes codes"},
    "PCA": _COMPONENTS,
    "PLSRegression": {
        "coef_": "outputs features",
        "intercept_": "outputs",
        "_x_mean": "features",
        "_x_std": "features",
    },
    "Perceptron": _CLASSIFIER,
    "PoissonRegressor": _REGRESSOR,
    "PowerTransformer": {"lambdas_": "features"},
    "QuadraticDiscriminantAnalysis": {"means_": "classes features", "priors_": "classes"},
    "QuantileRegressor": _REGRESSOR,
    "QuantileTransformer": {
        "references_": "quantiles",
        "quantiles_": "quantiles features",
        "n_quantiles_": "= quantiles",
    },
    "RBFSampler": {"random_weights_": "features components", "random_offset_": "components"},
    "RFE": _RANKING,
    "RFECV": _RANKING,
    "RadiusNeighborsRegressor": _NEIGHBORS,
    "RandomForestClassifier": _FOREST_CLASSIFIER,
    "Ridge": _REGRESSOR,
    "RidgeCV": _REGRESSOR,
    "RidgeClassifier": _RIDGE_CLASSIFIER,
    "RidgeClassifierCV": _RIDGE_CLASSIFIER,
    "RobustScaler": {"center_": "features", "scale_": "features"},
    "SGDClassifier": _CLASSIFIER,
    "SGDOneClassSVM": {"coef_": "features", "offset_": "1"},
    "SGDRegressor": _REGRESSOR,
    "SVC": _MACHINE,
    "SelectFdr": _SCORES,
    "SelectFpr": _SCORES,
    "SelectFwe": _SCORES,
    "SelectKBest": _SCORES,
    "SelectPercentile": _SCORES,
    "SequentialFeatureSelector": {"support_": "features"},
    "SignedLog": {"data_min_": "features", "data_max_": "features"},
    "SimpleImputer": {"statistics_": "any features"},
    "StandardScaler": {"mean_": "features", "var_": "features", "scale_": "features"},
    "TargetEncoder": {"target_mean_": "number | classes"},
    "TfidfTransformer": {"idf_": "features"},
    "TheilSenRegressor": _REGRESSOR,
    "TruncatedSVD": {"components_": "components features"},
    "TweedieRegressor": _REGRESSOR,
    "VarianceThreshold": {"variances_": "features"},
}
"""For each class its fitted attributes, and what each must be.

An array of numbers is described by its dimensions, separated by blanks, with ``|`` between
alternatives; ``number`` has none; ``any`` in front allows other elements than numbers. With ``=``
in front it is an integer. ``features`` is ``n_features_in_``, ``classes`` the length of
``classes_``, ``scores`` the outputs of a classifier: 1 for two classes, else one for each. Any
other name is bound to a length where it first occurs. An attribute that is missing or None is not
checked: without it the model fails on every row. ``outputs=1`` is not a dimension: it is the value
of ``outputs`` in this alternative.
"""
