"""What a version is not good for, as far as its own records tell."""

from collections.abc import Iterator

from registry.cards.blocks import Phrase, data, figure
from registry.reading.queries import View
from registry.reading.stored_evaluation import StoredEvaluation

FEW_ROWS = 200
MAX_NOTES = 20
_STAYS = "Beyond the ranges of training its answers stay what they are at the edge of these."
_BY_KIND = {
    "linear": "Beyond the ranges of training it goes on in a straight line, whatever comes of it.",
    "logistic": (
        "Beyond the ranges of training its probabilities go on towards 0 or 1, and so seem surer "
        "than they are."
    ),
    "tree": _STAYS,
    "forest": _STAYS,
}


def limits(view: View, kept: StoredEvaluation) -> Iterator[Phrase]:
    """One after the other, the general ones last."""
    if view["kind"] in _BY_KIND:
        yield [_BY_KIND[view["kind"]]]
    yield from _of_measuring(view, kept)
    engine = view["engine"]
    if engine.get("name") == "scikit-learn":
        yield [
            "It could not be compiled, so scikit-learn answers, slower: ",
            data(_reason(view)),
            ".",
        ]
    elif engine.get("name") == "onnxruntime":
        yield ["It answers from the uploaded ONNX file in a process of its own, which is slower."]
    elif isinstance(difference := engine.get("max_rel_diff"), float) and difference > 0:
        yield [
            f"Its answers may differ from scikit-learn's own by a share of {figure(difference)}."
        ]
    if engine.get("name") != "scikit-learn" and "reason" in engine:
        yield [data(_reason(view))]
    for note in kept.notes[:MAX_NOTES]:
        yield ["The training noted: ", data(note), "."]
    if any(column["type"] == "string" for column in view["signature"]["inputs"]):
        yield [
            "A text that training never saw is taken without a word, and tells the model nothing."
        ]
    yield [
        "Nothing here says that the rows of today are like those of training; values out of the "
        "ranges above are a sign that they are not."
    ]


def _of_measuring(view: View, kept: StoredEvaluation) -> Iterator[Phrase]:
    if kept.rows is None:
        yield ["It is not known on how many rows it was measured."]
    elif kept.rows < FEW_ROWS:
        yield [f"It was measured on {kept.rows:,} rows only: the figures are rough."]
    worse = [name for name in ("rmse", "log_loss") if _is_no_better(name, view, kept)]
    if worse:
        yield ["It is no better than guessing, by ", data(worse[0]), "."]
    if not kept.columns:
        yield ["The ranges of its columns in training were not kept."]
    if kept.unsound:
        yield ["Not understood of what was uploaded: ", data(", ".join(kept.unsound)), "."]


def _is_no_better(name: str, view: View, kept: StoredEvaluation) -> bool:
    claimed, baseline = view["metrics"].get(name), kept.baseline.get(name)
    return claimed is not None and baseline is not None and claimed >= baseline


def _reason(view: View) -> str:
    return str(view["engine"].get("reason", "no reason was kept"))
