"""What the benchmark of retrain compares."""

import pytest

from benchmarks.retrain import BEGUN, ENDED, Round, Watch, check, verdict


def test_the_verdict_uses_the_median_of_the_pairs() -> None:
    quick, slow = Round(10.0, 10.5, 14.0), Round(10.0, 12.0, 15.0)
    assert verdict([quick, slow, quick]) == (
        "1.050 times scikit-learn (median of pairs); goal at most 1.10: met."
    )
    assert verdict([slow, slow, quick]).endswith("MISSED.")


def test_different_metrics_are_refused() -> None:
    check({"rmse": 48211.700000001, "r2": 0.8}, {"rmse": 48211.7})
    with pytest.raises(SystemExit, match="not the same fit"):
        check({"rmse": 48211.7}, {"rmse": 48213.0})


def test_only_training_and_evaluation_are_timed() -> None:
    watch = Watch()
    for stage, moment in (("looking", 0.0), (f"{BEGUN}houses.csv", 1.0), ("fitting", 2.0),
                          (ENDED, 6.5), ("uploading", 7.0)):  # fmt: skip
        watch.began.append((stage, moment))
    assert watch.between(BEGUN, ENDED) == 5.5
