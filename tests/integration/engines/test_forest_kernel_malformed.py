"""Arrays that do not describe trees are refused, without access beyond them."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from registry.engines.forest import AVAILABLE, Forest
from registry.engines.forest_arrays import ForestArrays, take_arrays

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="built without a C compiler")

NAMES = (
    "node_counts",
    "children_left",
    "children_right",
    "feature",
    "threshold",
    "missing_go_to_left",
    "leaf_values",
)


def fitted(kind: Any, classes: int) -> ForestArrays:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    return take_arrays(kind(3, random_state=0).fit(rows, (rows[:, 0] * 9).astype(int) % classes))


REGRESSION = fitted(RandomForestRegressor, 100)
CLASSIFICATION = fitted(RandomForestClassifier, 3)
ROWS = np.random.default_rng(1).normal(size=(40, 3))
#: One inner node and two leaves.
STUMP = ForestArrays(
    task="regression",
    n_features=2,
    averaged=False,
    allows_missing=False,
    classes=None,
    node_counts=np.array([3]),
    children_left=np.array([1, -1, -1], dtype=np.int32),
    children_right=np.array([2, -1, -1], dtype=np.int32),
    feature=np.array([1, -2, -2], dtype=np.int32),
    threshold=np.array([0.5, np.nan, np.nan]),
    missing_go_to_left=np.zeros(3, dtype=np.uint8),
    leaf_values=np.array([[1.0], [2.0]]),
)


def i32(*items: int) -> np.ndarray:
    return np.array(items, dtype=np.int32)


def with_(arrays: ForestArrays, **changes: Any) -> ForestArrays:
    return dataclasses.replace(arrays, **changes)


def test_the_unmodified_stump_is_accepted() -> None:
    # The threshold of a leaf is not used, not even NaN.
    rows = np.array([[9.0, 0.5], [-9.0, 0.6]])
    assert Forest(STUMP).predict(rows).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"node_counts": np.array([], dtype=np.int64)}, "node_counts add up to 0|no tree"),
        ({"node_counts": np.array([2])}, "add up to 2"),
        ({"node_counts": np.array([4])}, r"node_counts\[0\] is 4"),
        ({"node_counts": np.array([-1])}, r"node_counts\[0\] is -1"),
        ({"node_counts": np.array([2**62, 2**62])}, "node_counts|not averaged"),
        ({"node_counts": np.array([3], dtype=np.int32)}, "node_counts has items of format"),
        ({"node_counts": np.array([[3]])}, "node_counts has 2 dimensions"),
        ({"node_counts": np.array([1, 1, 1])}, "not averaged"),
        ({"node_counts": np.array([2, 1]), "averaged": True}, "even"),
        ({"children_left": i32(1, -1)}, "children_right has 3 items, children_left has 2"),
        ({"children_left": np.array([1, -1, -1])}, "children_left has items"),
        ({"children_left": np.array([1, -1, -1], dtype=">i4")}, "children_left has items"),
        ({"children_left": i32(1, 1, -1, -1, -1, -1)[::2]}, "children_left is not contiguous"),
        ({"children_left": i32(0, -1, -1)}, "node 0: a child is out of range"),
        ({"children_left": i32(3, -1, -1)}, "node 0: a child is out of range"),
        ({"children_left": i32(2**31 - 1, -1, -1)}, "a child is out of range"),
        ({"children_left": i32(-(2**31), -1, -1)}, "a child is out of range"),
        ({"children_left": i32(-2, -1, -1)}, "a child is out of range"),
        ({"children_left": i32(2, -1, -1)}, "two parents"),
        ({"children_left": i32(-1, -1, -1)}, "more leaves"),
        ({"children_right": i32(-1, -1, -1)}, "a child is out of range"),
        ({"children_right": i32(2, 2, -1)}, "tree 0, node 1: it has one child"),
        ({"children_right": i32(2, -1)}, "children_right has 2 items"),
        ({"feature": i32(2, 0, 0)}, "feature is out of range"),
        ({"feature": i32(-1, 0, 0)}, "feature is out of range"),
        ({"feature": i32(-2, 0, 0)}, "feature is out of range"),
        ({"feature": i32(0, 0, 0, 0)}, "feature has 4 items"),
        ({"threshold": np.array([np.nan, 0, 0])}, "threshold is NaN"),
        ({"threshold": np.zeros(3, dtype=np.float32)}, "threshold has items"),
        ({"threshold": np.zeros(3, dtype=np.int64)}, "threshold has items"),
        ({"missing_go_to_left": np.array([2, 0, 0], dtype=np.uint8)}, "neither 0 nor 1"),
        ({"missing_go_to_left": np.zeros(2, dtype=np.uint8)}, "missing_go_to_left has 2 items"),
        ({"leaf_values": np.array([[1.0]])}, "more leaves"),
        ({"leaf_values": np.array([[1.0], [2.0], [3.0]])}, "fewer leaves"),
        ({"leaf_values": np.array([[1.0], [np.nan]])}, "not finite"),
        ({"leaf_values": np.array([[1.0], [-np.inf]])}, "not finite"),
        ({"leaf_values": np.array([1.0, 2.0])}, "leaf_values has 1 dimensions"),
        ({"leaf_values": np.zeros((2, 0))}, "leaf_values are 2 x 0"),
        ({"leaf_values": np.zeros((0, 1))}, "more leaves"),
        ({"leaf_values": np.zeros((2, 2))}, "Leaves have 2 values"),
        ({"n_features": 0}, "n_features"),
        ({"n_features": -1}, "n_features"),
        ({"n_features": 2**31}, "n_features"),
        ({"n_features": 1}, "feature is out of range"),
        ({"classes": np.array([1])}, "with classes"),
        ({"task": "classification"}, "without classes"),
        ({"task": "classification", "classes": np.array([1, 2])}, "Leaves have 1 values"),
        ({"task": "classification", "classes": np.array([[1]])}, "shape"),
    ],
)
def test_malformed_arrays_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Forest(with_(STUMP, **changes))


def test_cycles_orphans_and_shared_children_are_refused() -> None:
    five = {
        "node_counts": np.array([5]),
        "feature": i32(0, 0, 0, 0, 0),
        "threshold": np.zeros(5),
        "missing_go_to_left": np.zeros(5, dtype=np.uint8),
    }
    for left, right, message in [
        (i32(1, 0, -1, -1, -1), i32(2, 3, -1, -1, -1), "not behind its parent"),
        (i32(1, 2, -1, -1, -1), i32(2, 3, -1, -1, -1), "two parents"),
        (i32(1, -1, -1, -1, -1), i32(2, -1, -1, -1, -1), "no parent"),
        (i32(1, -1, -1, 4, -1), i32(2, -1, -1, 4, -1), "no parent"),
    ]:
        leaves = np.zeros((int((left == -1).sum()), 1))
        arrays = with_(STUMP, children_left=left, children_right=right, leaf_values=leaves, **five)
        with pytest.raises(ValueError, match=message):
            Forest(arrays)


def chain(depth: int) -> ForestArrays:
    count = 2 * depth + 1
    left, right = np.full(count, -1, dtype=np.int32), np.full(count, -1, dtype=np.int32)
    left[0 : count - 1 : 2] = np.arange(1, count, 2)
    right[0 : count - 1 : 2] = np.arange(2, count, 2)
    return with_(
        STUMP,
        node_counts=np.array([count]),
        children_left=left,
        children_right=right,
        feature=np.zeros(count, dtype=np.int32),
        threshold=np.arange(count) / 2.0,
        missing_go_to_left=np.zeros(count, dtype=np.uint8),
        leaf_values=np.arange(depth + 1.0)[:, None],
    )


def test_the_depth_of_trees_is_limited() -> None:
    forest = Forest(chain(10_000))
    assert forest.depth == 10_000
    rows = np.array([[float(number), 0.0] for number in (0, 3, 9_998, 9_999, 20_000)] * 4)
    assert forest.predict(rows).tolist() == [0.0, 3.0, 9_998.0, 9_999.0, 10_000.0] * 4
    with pytest.raises(ValueError, match="deeper than 10000"):
        Forest(chain(10_001))


@pytest.mark.parametrize("name", NAMES)
def test_objects_other_than_arrays_are_refused(name: str) -> None:
    for wrong in (None, "abc", [1, 2], b"123"):
        with pytest.raises((ValueError, TypeError, AttributeError)):
            Forest(with_(STUMP, **{name: wrong}))


def test_evaluate_validates_its_buffers() -> None:
    trees = Forest(STUMP)._trees
    rows, out = np.zeros((4, 2)), np.zeros((4, 1))
    read_only = out.copy()
    read_only.flags.writeable = False
    for bad_rows, bad_out in [
        (rows, out[:3]),
        (rows, np.zeros((4, 2))),
        (rows, out.astype(np.float32)),
        (rows, read_only),
        (rows, np.zeros(4)),
        (rows[:, :1].copy(), out),
        (rows.astype(np.int64), out),
        (rows.astype(np.float16), out),
        (rows.astype(">f8"), out),
        (rows.T.copy().T, out),
        (rows.ravel(), out),
        (rows, np.frombuffer(bytearray(41), np.uint8)[1:33].view(np.float64)[:, None]),
    ]:
        with pytest.raises(ValueError, match=r"rows|out"):
            trees.evaluate(bad_rows, bad_out)
    for arguments in ((), (rows,), (rows, out, out), (None, out), (rows, "text")):
        with pytest.raises(TypeError):
            trees.evaluate(*arguments)
    assert trees.evaluate(rows[:0], out[:0]) == -1
    misaligned = memoryview(b"\0" + rows.tobytes())[1:].cast("d", shape=[4, 2])
    assert trees.evaluate(misaligned, out) == -1
    odd = np.frombuffer(misaligned.cast("B"), np.float64).reshape(4, 2)
    assert Forest(STUMP).predict(odd).tolist() == [1.0] * 4


def test_values_validates_its_rows() -> None:
    trees = Forest(STUMP)._trees
    rows = np.zeros((4, 2))
    for bad in (rows[:, :1].copy(), rows.astype(np.int64), rows.astype(">f8"), rows.ravel()):
        with pytest.raises(ValueError, match="rows"):
            trees.values(bad)
    with pytest.raises(TypeError):
        trees.values(None)
    assert trees.values(rows[:0]) == []
    assert trees.values(rows) == [1.0] * 4
    assert trees.values(rows * np.nan) is None
    with pytest.raises(ValueError, match="3 outputs"):
        Forest(CLASSIFICATION)._trees.values(np.zeros((1, 3)))
    with pytest.raises(TypeError, match="labels"):
        Forest(CLASSIFICATION).values(np.zeros((1, 3)))


def test_one_validates_its_row() -> None:
    trees = Forest(STUMP)._trees
    row = np.zeros(2)
    for bad in (b"", row.tobytes()[:-1], row.tobytes() + b"\0", row.astype(np.float32).tobytes()):
        with pytest.raises(ValueError, match="features are"):
            trees.one(bad)
    for bad in (None, row, bytearray(row.tobytes()), "text"):
        with pytest.raises(TypeError):
            trees.one(bad)
    assert trees.one(row.tobytes()) == [1.0]
    assert trees.one((row * np.nan).tobytes()) is None


interesting = st.sampled_from(
    [0, 1, -1, -2, 2, 3, 100, 2**31 - 1, -(2**31), 2**31, 2**32, 2**62, -(2**63), 2**63 - 1]
)


@given(st.data(), st.sampled_from([REGRESSION, CLASSIFICATION]))
def test_corrupted_arrays_never_crash(data: st.DataObject, arrays: ForestArrays) -> None:
    """Whatever is changed: it is refused with ValueError, or walked to its end."""
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from([*NAMES, "n_features"]))
        if name == "n_features":
            arrays = with_(arrays, n_features=data.draw(st.integers(-2, 5)))
            continue
        array = getattr(arrays, name).copy()
        how = data.draw(
            st.sampled_from(["item", "item", "item", "bytes", "cut", "grow", "shuffle"])
        )
        at = data.draw(st.integers(0, max(len(array) - 1, 0)))
        if how == "item" and array.size:
            number = data.draw(interesting | st.integers(0, len(array)))
            if array.dtype.kind in "iu":
                bounds = np.iinfo(array.dtype)
                array[at] = min(max(number, bounds.min), bounds.max)
            else:
                array[at] = data.draw(st.floats())
        elif how == "bytes" and array.size:
            raw = bytearray(array.tobytes())
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
            array = np.frombuffer(raw, array.dtype).reshape(array.shape)
        elif how == "cut":
            array = array[:at].copy()
        elif how == "grow" and array.size:
            array = np.concatenate([array, array[at : at + 1]])
        elif how == "shuffle":
            np.random.default_rng(at).shuffle(array)
        arrays = with_(arrays, **{name: array})
    try:
        forest = Forest(arrays)
    except ValueError:
        return
    rows = np.resize(ROWS, (40, forest.n_features))
    assert len(forest.predict(rows)) == 40
    assert len(forest.predict(rows[:1])) == 1
