"""What a refusal says of a class or function that is not allowed: why, and what to do instead."""

from collections.abc import Mapping

from registry.formats.ufuncs import UFUNC_NAMES

_ONNX = (
    "convert the model to ONNX, for example with skl2onnx.to_onnx(model, X[:1].astype('float32')), "
    "and upload the .onnx file"
)
_CLUSTERS = "it does not predict from plain arrays that are checked", "use KMeans"
_THRESHOLDS = (
    "it calls a scorer to choose the label",
    "upload its estimator_ and compare the probabilities with the threshold in the client",
)

_REASONS: Mapping[str, tuple[str, str]] = {
    "BayesianGaussianMixture": _CLUSTERS,
    "Birch": _CLUSTERS,
    "BisectingKMeans": _CLUSTERS,
    "DictVectorizer": ("rows are not dictionaries here", "use OneHotEncoder on columns"),
    "FeatureHasher": ("rows are not dictionaries here", "use HashingVectorizer on a column"),
    "FixedThresholdClassifier": _THRESHOLDS,
    "GaussianMixture": _CLUSTERS,
    "GaussianProcessClassifier": (
        "its members are not checked",
        "use GaussianProcessRegressor, or SVC with CalibratedClassifierCV",
    ),
    "LatentDirichletAllocation": ("its fitted attributes are not checked", "use TruncatedSVD"),
    "LocalOutlierFactor": (
        "the distances that it stores are not checked",
        "use IsolationForest or OneClassSVM",
    ),
    "Memory": ("it writes to the server's disk", "set memory=None before saving"),
    "NMF": ("its fitted attributes are not checked", "use TruncatedSVD or PCA"),
    "PassiveAggressiveClassifier": ("scikit-learn removes it", "use SGDClassifier"),
    "PassiveAggressiveRegressor": ("scikit-learn removes it", "use SGDRegressor"),
    "TunedThresholdClassifierCV": _THRESHOLDS,
}
"""For classes of scikit-learn: why they are not allowed, and an accepted equivalent."""

_NATIVE = {
    "catboost": "",
    "lightgbm": (
        ' upload what booster_.save_model("model.txt") writes, as the format lightgbm, train '
        "LGBMClassifier or LGBMRegressor,"
    ),
    "xgboost": (
        ' upload what save_model("model.ubj") writes, as the format xgboost, train XGBClassifier '
        "or XGBRegressor,"
    ),
}
"""How to upload the models of libraries that have a format of their own, and the estimators that
are read of them."""


def why_not(name: str) -> str:
    """The end of a refusal of the class or function with the full ``name``, and a way out."""
    package, _, rest = name.partition(".")
    last = rest.rpartition(".")[2]
    if package == "sklearn" and last in _REASONS:
        reason, instead = _REASONS[last]
        return f"not allowed, because {reason}. Instead, {instead}; or {_ONNX}."
    if package in _NATIVE:
        return (
            f"not allowed, because {package} runs code of its own when it is loaded. Instead,"
            f"{_NATIVE[package]} use HistGradientBoosting in a pipeline, or {_ONNX} (onnxmltools "
            f"converts {package})."
        )
    if name.startswith("scipy.sparse."):
        return (
            "not allowed, because of sparse matrices only the rows that support vector machines, "
            "neighbors, kernel models, label propagation and Nystroem keep of their training are "
            "checked, in the format CSR. Instead, make the features of this step dense "
            "(sparse_output=False or sparse_threshold=0, TruncatedSVD after a vectorizer), call "
            f"densify() on a linear model, or {_ONNX}."
        )
    if package in {"numpy", "scipy"}:
        return (
            "not allowed. FunctionTransformer and TransformedTargetRegressor may call these "
            f"functions of numpy: {', '.join(UFUNC_NAMES)}. For others, compute the column before "
            f"it is sent, or {_ONNX}."
        )
    if package != "sklearn":
        return (
            "not allowed, because code that is not part of scikit-learn is never run. Instead, "
            "build the step from scikit-learn's own transformers, compute its columns before they "
            f"are sent, or {_ONNX}."
        )
    return (
        "not allowed, because its fitted attributes are not checked. docs/artifacts.md lists the "
        f"accepted estimators; or {_ONNX}."
    )
