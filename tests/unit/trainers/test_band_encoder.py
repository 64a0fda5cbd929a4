"""BandEncoder cuts numbers into named bands as pandas.cut does, and travels in a skops file."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer

from registry.preprocessing import BandEncoder

EDGES = [0, 18, 30, 60, 100]
LABELS = ["child", "young", "adult", "senior"]
TRUSTED = ["registry.preprocessing.BandEncoder"]


def ages(*values):
    return pd.DataFrame({"age": np.array(values, dtype=np.float64)})


def bands(*values):
    encoded = BandEncoder(EDGES, LABELS).fit(ages(1.0)).transform(ages(*values))
    assert encoded.dtype == np.float64
    return [[label for label, hit in zip(LABELS, row, strict=True) if hit] for row in encoded]


def test_bands_are_closed_on_the_right_and_the_first_also_on_the_left():
    assert bands(0, 18, 18.5, 30, 31, 60, 100) == [
        ["child"],
        ["child"],
        ["young"],
        ["young"],
        ["adult"],
        ["adult"],
        ["senior"],
    ]


def test_values_outside_and_missing_values_are_in_no_band():
    assert bands(-1, 100.5, np.nan, np.inf, -np.inf) == [[]] * 5


@given(
    values=st.lists(st.floats(-5, 25) | st.integers(0, 20) | st.just(float("nan")), min_size=1),
    edges=st.lists(st.integers(0, 20), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_it_agrees_with_pandas_cut(values, edges):
    labels = [f"b{index}" for index in range(len(edges) - 1)]
    frame = pd.DataFrame({"v": np.array(values, dtype=np.float64)})
    cut = pd.cut(frame["v"], edges, labels=labels, include_lowest=True)

    encoded = BandEncoder(edges, labels).fit_transform(frame)

    # pandas lowers the first edge by a thousandth to include it; we include the edge alone.
    exact = frame["v"].isna() | (frame["v"] < edges[0] - 0.001) | (frame["v"] >= edges[0])
    expected = pd.get_dummies(cut).to_numpy(dtype=np.float64)
    np.testing.assert_array_equal(encoded[exact], expected[exact])


def test_outputs_are_named_by_column_and_band():
    encoder = BandEncoder(EDGES, LABELS).fit(ages(1.0))

    assert encoder.get_feature_names_out().tolist() == [f"age_{label}" for label in LABELS]
    assert encoder.get_feature_names_out(["a"])[0] == "a_child"
    assert BandEncoder([0, 1], ["b"]).fit([[0.5]]).get_feature_names_out().tolist() == ["x0_b"]


@pytest.mark.parametrize(
    ("edges", "labels", "reported"),
    [
        ([0], [], "at least two edges"),
        ([0, 18, 18], ["a", "b"], "must be in ascending order"),
        ([18, 0], ["a"], "must be in ascending order"),
        ([0, float("nan")], ["a"], "finite numbers"),
        ([0, float("inf")], ["a"], "finite numbers"),
        (["0", "1"], ["a"], "finite numbers"),
        ([0, True], ["a"], "finite numbers"),
        ([0, 1, 2], ["a"], "2 bands, but there are 1 labels"),
        ([0, 1, 2], ["a", "a"], "must differ"),
        ([0, 1, 2], ["a", ""], "must be names"),
        ([0, 1, 2], "ab", "must be names"),
        ([0, 1], [3], "must be names"),
    ],
)
def test_invalid_edges_and_labels_are_refused(edges, labels, reported):
    with pytest.raises(ValueError, match=reported):
        BandEncoder(edges, labels).fit(ages(1.0))


def test_it_can_be_restored_from_a_skops_file_in_a_pipeline():
    columns = ColumnTransformer([("bands", BandEncoder(EDGES, LABELS), ["age"])])
    columns.fit(ages(1.0))

    loaded = skops.io.loads(skops.io.dumps(columns), trusted=TRUSTED)

    asked = ages(5, 25, 45, 75, 200)
    np.testing.assert_array_equal(loaded.transform(asked), columns.transform(asked))
    assert loaded.get_feature_names_out().tolist() == columns.get_feature_names_out().tolist()


def test_a_clone_is_unfitted_and_equal_in_parameters():
    encoder = clone(BandEncoder(EDGES, LABELS).fit(ages(1.0)))

    assert encoder.get_params() == {"edges": EDGES, "labels": LABELS}
    assert not hasattr(encoder, "n_features_in_")
