"""An uploaded evaluation is read part by part as untrusted input."""

import pytest

from registry.reading.stored_evaluation import read_evaluation

SOUND = {
    "rows": 3,
    "train_rows": 12,
    "baseline": {"rmse": 2},
    "metric_intervals": {"rmse": [0.5, 1.5]},
    "columns": {
        "age": {"min": 1, "max": 9, "mean": 4.5, "missing": 2},
        "city": {"values": {"Turin": 3}, "missing": 0},
    },
    "predicted_vs_true": {"true": [1, 2], "predicted": [1.5, 2.5]},
    "residuals": {"edges": [-1, 0, 1], "counts": [2, 1]},
    "confusion_matrix": {"labels": [True, "b"], "counts": [[1, 0], [1, 1]]},
    "roc": [{"class": "b", "fpr": [0, 1], "tpr": [0, 1], "auc": 0.5, "points": 900}],
    "importances": [{"feature": "age", "value": 1}],
    "made_up": "by the uploader",
}


def test_valid_parts_are_read_and_unknown_ones_skipped():
    kept = read_evaluation(SOUND)

    assert kept.unsound == ()
    assert kept.metric_intervals == {"rmse": (0.5, 1.5)}
    assert (kept.columns["age"].max, kept.columns["city"].values) == (9.0, {"Turin": 3})
    assert kept.confusion_matrix.labels == (True, "b")
    assert (kept.roc[0].label, kept.roc[0].points) == ("b", 900)
    assert kept.coefficients == ()


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("rows", -1),
        ("rows", True),
        ("baseline", {"rmse": "low"}),
        ("baseline", [1]),
        ("metric_intervals", {"rmse": [1]}),
        ("metric_intervals", {"rmse": 10**400}),
        ("columns", {"age": 7}),
        ("notes", "one text"),
        ("predicted_vs_true", {"true": [1], "predicted": [1, 2]}),
        ("predicted_vs_true", {"true": [], "predicted": []}),
        ("predicted_vs_true", {"true": [1e300], "predicted": [-1e300]}),
        ("residuals", {"edges": [0, 1], "counts": [1, 2]}),
        ("residuals", {"edges": [1, 0], "counts": [1]}),
        ("residuals", {"edges": [0, 1], "counts": [-1]}),
        ("confusion_matrix", {"labels": ["a", "b"], "counts": [[1, 2]]}),
        ("confusion_matrix", {"labels": ["a", "b"], "counts": [[1, 2], [3]]}),
        ("confusion_matrix", {"labels": list(range(101)), "counts": [[0] * 101] * 101}),
        ("roc", [{"class": "b", "fpr": [0, 2], "tpr": [0, 1]}]),
        ("roc", [{"class": "b", "fpr": [0], "tpr": [0, 1]}]),
        ("roc", [{"class": None, "fpr": [0], "tpr": [0]}]),
        ("roc", None),
        ("precision_recall", [{"class": 1, "recall": [0.1]}]),
        ("calibration", [{"class": 1, "predicted": [0.1], "observed": [0.1], "counts": []}]),
        ("importances", [{"feature": 3, "value": 1}]),
        ("coefficients", [{"feature": "a", "value": 1e200}]),
    ],
)
def test_a_malformed_part_is_named_and_the_others_are_read(part, value):
    kept = read_evaluation({"train_rows": 12, part: value})

    assert kept.unsound == (part,)
    assert kept.train_rows == 12
