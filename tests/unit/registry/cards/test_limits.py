"""The limits that a card names follow from what the version keeps."""

from typing import Any

import pytest

from registry.cards.blocks import Data
from registry.cards.limits import limits
from registry.reading.stored_evaluation import read_evaluation

COLUMNS = {"age": {"min": 1, "max": 9}}
PROFILE = {
    "rows": 9,
    "source": "training",
    "columns": {"age": {"edges": [4.0], "counts": [4, 5], "missing": 0}},
    "output": {"edges": [], "counts": [3], "source": "held-out"},
}


def reported(evaluation: dict[str, Any], **view: Any) -> str:
    """The limits as one text."""
    whole = {
        "kind": "forest",
        "artifact": {"format": "skops"},
        "metrics": {"rmse": 2.0},
        "engine": {"name": "trees", "max_rel_diff": 0.0},
        "signature": {"inputs": [{"name": "age", "type": "number", "nullable": False}]},
        **view,
    }
    found = limits(whole, read_evaluation(evaluation))
    return "\n".join(
        "".join(f"<{part.text}>" if isinstance(part, Data) else part for part in phrase)
        for phrase in found
    )


def test_a_version_without_problems_has_only_the_limits_of_its_kind() -> None:
    sound = {"rows": 5000, "columns": COLUMNS, "baseline": {"rmse": 9.0}, "profile": PROFILE}
    text = reported(sound)
    assert len(text.splitlines()) == 2
    assert "stay as at the edge" in text


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("linear", "extrapolates linearly"),
        ("logistic", "more certain than they are"),
        ("tree", "at the edge"),
    ],
)
def test_each_kind_extrapolates_in_its_own_way(kind: str, words: str) -> None:
    assert words in reported({}, kind=kind)
    assert "Outside the ranges" not in reported({}, kind="other")


def test_a_version_without_a_profile_is_named() -> None:
    assert "has no profile of its data" in reported({"rows": 5000, "columns": COLUMNS})


def test_few_or_unknown_evaluation_rows_are_mentioned() -> None:
    assert "measured on only 89 rows" in reported({"rows": 89})
    assert "on only" not in reported({"rows": 200})
    assert "it was measured on is unknown" in reported({})


@pytest.mark.parametrize(("claimed", "is_no_better"), [(1.9, False), (2.0, True), (2.1, True)])
def test_a_version_no_better_than_the_baseline_is_mentioned(
    claimed: float, is_no_better: bool
) -> None:
    text = reported({"rows": 5000, "baseline": {"rmse": 2.0}}, metrics={"rmse": claimed})
    assert ("no better than the baseline, by <rmse>" in text) is is_no_better


def test_the_engine_and_its_differences_are_mentioned() -> None:
    slow = {"name": "scikit-learn", "reason": "no converter for <b>Mine</b>"}
    assert "scikit-learn predicts, which is slower: <no converter for <b>Mine</b>>" in reported(
        {}, engine=slow
    )
    assert "The uploaded ONNX file" in reported({}, engine={"name": "onnxruntime"})
    close = {"name": "onnx", "max_rel_diff": 7.5e-7}
    assert "by a relative 7.5e-07" in reported({}, engine=close)
    assert "a relative" not in reported({}, engine={"name": "trees"})
    second = {"name": "onnx", "reason": "A faster engine is not used: too large"}
    assert "<A faster engine is not used: too large>" in reported({}, engine=second)


def test_a_card_of_xgboost_says_that_unknown_texts_are_refused() -> None:
    inputs = {"inputs": [{"name": "city", "type": "string", "nullable": False}]}
    assert "is refused, or gives the model no information" in reported({}, signature=inputs)
    said = reported({}, signature=inputs, artifact={"format": "xgboost"})
    assert "is refused, as by XGBoost" in said


def test_notes_and_names_of_malformed_parts_are_data() -> None:
    text = reported(
        {
            "notes": ["`it` did not converge"],
            "warnings": ["`a` leaks"],
            "roc": "x",
            "columns": COLUMNS,
        },
        signature={"inputs": [{"name": "city", "type": "string", "nullable": False}]},
    )
    assert "Warning of the training: <`a` leaks>." in text
    assert "Note of the training: <`it` did not converge>." in text
    assert "Unreadable parts of the uploaded evaluation: <roc>." in text
    assert "A text that did not occur in training" in text
    assert "ranges of its columns in training are unknown" not in text
