"""SignedLog takes the logarithm of any finite number, and travels in a skops file."""

import math

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import clone

from registry.preprocessing import SignedLog


def test_it_computes_a_symmetric_logarithm_of_one_plus_the_value():
    made = SignedLog().fit_transform([[0.0], [math.e - 1], [1 - math.e], [1e-12]])

    assert made.ravel().tolist() == pytest.approx([0, 1, -1, 1e-12], rel=1e-9, abs=0)


def test_missing_values_stay_missing():
    step = SignedLog().fit([[1.0, np.nan], [3.0, np.nan]])

    assert np.isnan(step.transform([[np.nan, 1.0]])).tolist() == [[True, False]]
    assert step.data_min_.tolist()[0] == 1.0
    assert step.data_max_.tolist()[0] == 3.0


def test_an_infinite_number_is_refused():
    with pytest.raises(ValueError, match="infinity"):
        SignedLog().fit([[math.inf]])


def test_column_names_are_kept():
    frame = pd.DataFrame({"rooms": [1.0, 2.0]})

    assert SignedLog().fit(frame).get_feature_names_out().tolist() == ["rooms"]
    assert SignedLog().fit(frame.to_numpy()).get_feature_names_out().tolist() == ["x0"]
    assert SignedLog().fit([[1.0]]).get_feature_names_out(["a"]).tolist() == ["a"]


def test_a_clone_is_unfitted_and_a_saved_copy_predicts_the_same():
    step = SignedLog().fit([[1.0], [9.0]])
    saved = skops.io.loads(skops.io.dumps(step), trusted=["registry.preprocessing.SignedLog"])

    assert saved.transform([[5.0]]).tolist() == step.transform([[5.0]]).tolist()
    assert not hasattr(clone(step), "data_min_")
