"""Steps that skl2onnx converts: each by itself, in double, and merged into our graph."""

import warnings
from copy import deepcopy
from typing import Any, Literal

import numpy as np
from onnx import compose, helper

from registry.intake.conversion.graph import (
    ML,
    ML_OPSET,
    OPSET,
    Block,
    Graph,
    Model,
)
from registry.intake.conversion.target import NotConvertible

_TRANSFORMERS = frozenset({"PCA", "TruncatedSVD"})
_ESTIMATORS = frozenset(
    {
        "BernoulliNB",
        "ComplementNB",
        "GammaRegressor",
        "GaussianNB",
        "MLPClassifier",
        "MLPRegressor",
        "MultinomialNB",
        "PoissonRegressor",
        "QuadraticDiscriminantAnalysis",
        "TweedieRegressor",
    }
)
"""Those tested to convert, in double, in less than a second. Of the others, some take minutes
(QuantileTransformer) and some mix float with double (AdaBoost, PolynomialFeatures)."""


def convert_transformer(graph: Graph, step: Any, block: Block) -> Block:
    """The output of ``step`` for ``block``, all numbers. Raises NotConvertible."""
    _require_tested(step, _TRANSFORMERS)
    width = _width(step, len(block))
    (made,) = _merged(graph, _converted(step, len(block), {}), graph.tensor(block))
    return Block.numbers(graph.double(made), width)


def convert_estimator(
    graph: Graph, estimator: Any, block: Block, *, has_classes: bool
) -> dict[Literal["value", "label", "probabilities"], str]:
    """The output tensors of ``estimator`` by name. Raises NotConvertible."""
    _require_tested(estimator, _ESTIMATORS)
    if getattr(estimator, "norm", False):
        # Its weights of each class sum to 1: for a row of equal numbers rounding decides.
        raise NotConvertible(f"{type(estimator).__name__}(norm=True) has no ONNX form here.")
    given = graph.tensor(block)
    if not has_classes:
        (value,) = _merged(graph, _converted(estimator, len(block), {}), given)
        return {"value": graph.double(value)}
    estimator = _numbered_classes(estimator)
    label, shares = _merged(graph, _converted(estimator, len(block), {"zipmap": False}), given)
    # Those of quadratic discriminants are 1 x rows, and parts of a batch could not be joined.
    label = graph.add("Reshape", label, graph.constant([-1], np.int64))
    return {"label": label, "probabilities": graph.double(shares)}


def _require_tested(step: Any, tested: frozenset[str]) -> None:
    name = type(step).__name__
    if name not in tested:
        raise NotConvertible(f"{name} has no ONNX form here.")


def _numbered_classes(estimator: Any) -> Any:
    """A copy of the estimator, and its members, with the classes 0, 1, 2, …."""
    estimator = deepcopy(estimator)
    classes = np.asarray(estimator.classes_)
    members = np.asarray(getattr(estimator, "estimators_", []), dtype=object).ravel().tolist()
    for part in (estimator, getattr(estimator, "_label_binarizer", None), *members):
        own = getattr(part, "classes_", None)
        if own is not None and np.array_equal(own, classes) and "classes_" in vars(part):
            part.classes_ = np.arange(len(classes))
    return estimator


def _width(step: Any, columns: int) -> int:
    try:
        return int(step.transform(np.zeros((1, columns))).shape[1])
    except Exception as error:  # a step may raise anything on a row of zeros
        raise NotConvertible(f"{type(step).__name__} refuses a row of zeros.") from error


def _converted(step: Any, columns: int, options: dict[str, bool]) -> Model:
    with warnings.catch_warnings():
        # skl2onnx calls deprecated functions of onnx, numpy and scikit-learn.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import DoubleTensorType

        try:
            return convert_sklearn(
                step,
                initial_types=[("given", DoubleTensorType([None, columns]))],
                options={id(step): options} if options else None,
                target_opset={"": OPSET, ML: ML_OPSET},
            )
        except Exception as error:  # skl2onnx has no base class for what it cannot convert
            raise NotConvertible(
                f"skl2onnx has no double-precision form of {type(step).__name__}: "
                f"{type(error).__name__}."
            ) from error


def _merged(graph: Graph, piece: Model, given: str) -> list[str]:
    """Add the nodes of ``piece`` to ``graph``, with the input ``given``; its outputs."""
    prefix = f"s{len(graph.nodes)}_"
    piece = compose.add_prefix(piece, prefix)
    graph.nodes.append(helper.make_node("Identity", [given], [piece.graph.input[0].name]))
    graph.nodes.extend(piece.graph.node)
    graph.constants.extend(piece.graph.initializer)
    return [output.name for output in piece.graph.output]
