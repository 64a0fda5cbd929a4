"""The limits of a version, as far as its records show them."""

from collections.abc import Iterator

from registry.cards.blocks import Phrase, data, figure
from registry.reading.stored_evaluation import StoredEvaluation
from registry.reading.views import View

FEW_ROWS = 200
MAX_NOTES = 20
_STAYS = "Outside the ranges of training its predictions stay as at the edge of the ranges."
OUTSIDE_TRAINING = {
    "linear": "Outside the ranges of training it extrapolates linearly, without bounds.",
    "logistic": (
        "Outside the ranges of training its probabilities approach 0 or 1, and so appear more "
        "certain than they are."
    ),
    "tree": _STAYS,
    "forest": _STAYS,
    "boosting": _STAYS,
}
"""What a kind of model does with values that did not occur in training; other kinds: unknown."""


def limits(view: View, evaluation: StoredEvaluation) -> Iterator[Phrase]:
    """The limits one by one, the general ones last."""
    if view["kind"] in OUTSIDE_TRAINING:
        yield [OUTSIDE_TRAINING[view["kind"]]]
    yield from _of_measuring(view, evaluation)
    engine = view["engine"]
    if engine.get("name") == "scikit-learn":
        yield [
            "It could not be compiled, so scikit-learn predicts, which is slower: ",
            data(_reason(view)),
            ".",
        ]
    elif engine.get("name") == "onnxruntime":
        yield ["The uploaded ONNX file runs in a separate process, which is slower."]
    elif isinstance(difference := engine.get("max_rel_diff"), float) and difference > 0:
        yield [
            f"Its predictions may differ from scikit-learn's by a relative {figure(difference)}."
        ]
    if engine.get("name") != "scikit-learn" and "reason" in engine:
        yield [data(_reason(view))]
    for warning in evaluation.warnings[:MAX_NOTES]:
        yield ["Warning of the training: ", data(warning), "."]
    for note in evaluation.notes[:MAX_NOTES]:
        yield ["Note of the training: ", data(note), "."]
    if any(column["type"] == "string" for column in view["signature"]["inputs"]):
        yield [unknown_texts(view)]
    yield [
        "The rows of today may differ from those of training; values outside the ranges above are "
        "a sign of that."
    ]


def unknown_texts(view: View) -> str:
    """What happens to a text that did not occur in training."""
    if view["artifact"]["format"] == "xgboost":
        return "A text that did not occur in training is refused, as by XGBoost."
    return "A text that did not occur in training is refused, or gives the model no information."


def _of_measuring(view: View, evaluation: StoredEvaluation) -> Iterator[Phrase]:
    if evaluation.rows is None:
        yield ["The number of rows that it was measured on is unknown."]
    elif evaluation.rows < FEW_ROWS:
        yield [f"It was measured on only {evaluation.rows:,} rows, so the metrics are imprecise."]
    worse = [name for name in ("rmse", "log_loss") if _is_no_better(name, view, evaluation)]
    if worse:
        yield ["It is no better than the baseline, by ", data(worse[0]), "."]
    if not evaluation.columns:
        yield ["The ranges of its columns in training are unknown."]
    if evaluation.profile is None:
        yield ["It has no profile of its data, with which other data could be compared."]
    if evaluation.unsound:
        yield [
            "Unreadable parts of the uploaded evaluation: ",
            data(", ".join(evaluation.unsound)),
            ".",
        ]


def _is_no_better(name: str, view: View, evaluation: StoredEvaluation) -> bool:
    claimed, baseline = view["metrics"].get(name), evaluation.baseline.get(name)
    return claimed is not None and baseline is not None and claimed >= baseline


def _reason(view: View) -> str:
    return str(view["engine"].get("reason", "no reason was stored"))
