"""Trees made by hand in scikit-learn's own Tree: thresholds and rows at the limits of float32."""

import time
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.tree._tree import Tree

from registry.engines.forest import AVAILABLE, Forest, RowsRefused, compile_forest
from registry.engines.forest_arrays import ForestArrays, take_arrays
from registry.engines.forest_file import from_bytes, to_bytes

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="built without a C compiler")

FLOAT32 = np.finfo(np.float32)
LARGEST = float(FLOAT32.max)
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    float(np.float32(0.1)),
    LARGEST,
    -LARGEST,
    float(FLOAT32.tiny),
    -float(FLOAT32.tiny),
    float(FLOAT32.smallest_subnormal),
    -float(FLOAT32.smallest_subnormal),
    float(FLOAT32.smallest_subnormal) / 2,
    5e-324,
    -5e-324,
    1e300,
    -1e300,
    16777217.0,
    2.0**-126 * (1 - 2.0**-23),
]
NEAR_EDGES = sorted(
    {
        near
        for edge in EDGES
        for single in (np.float32(np.clip(edge, FLOAT32.min, FLOAT32.max)),)
        for near in (
            edge,
            float(single),
            float(np.nextafter(single, np.float32(1e30))),
            float(np.nextafter(single, np.float32(-1e30))),
            float(np.nextafter(np.float64(single), np.inf)),
            float(np.nextafter(np.float64(single), -np.inf)),
        )
    }
)


class Split(NamedTuple):
    """Splits the leaf ``at`` (taken modulo how many there are)."""

    at: int
    feature: int
    threshold: float
    missing_left: bool


def make_tree(splits: list[Split], values: list[list[float]], features: int) -> Tree:
    """A Tree of scikit-learn's own with these splits; leaf i has values[i % len(values)]."""
    width = len(values[0])
    empty = Tree(features, np.array([width], dtype=np.intp), 1)
    count = 2 * len(splits) + 1
    nodes = np.zeros(count, dtype=empty.__getstate__()["nodes"].dtype)
    nodes["left_child"] = nodes["right_child"] = -1
    nodes["feature"] = nodes["threshold"] = -2
    nodes["n_node_samples"] = nodes["weighted_n_node_samples"] = 1
    leaves, depth = [0], np.zeros(count, dtype=int)
    for number, split in enumerate(splits):
        node = leaves.pop(split.at % len(leaves))
        left, right = 2 * number + 1, 2 * number + 2
        leaves += [left, right]
        depth[left] = depth[right] = depth[node] + 1
        nodes[node]["left_child"], nodes[node]["right_child"] = left, right
        nodes[node]["feature"] = split.feature % features
        nodes[node]["threshold"] = split.threshold
        nodes[node]["missing_go_to_left"] = split.missing_left
    all_values = np.array([values[node % len(values)] for node in range(count)], dtype=float)
    empty.__setstate__(
        {
            "max_depth": int(depth.max()),
            "node_count": count,
            "nodes": nodes,
            "values": all_values[:, None, :],
        }
    )
    return empty


def model_of(trees: list[Tree], *, forest: bool) -> Any:
    """A fitted model of scikit-learn whose trees are replaced by ``trees``."""
    width = trees[0].max_n_classes
    features = trees[0].n_features
    target = np.arange(6) % width
    rows = np.zeros((6, features))
    if forest:
        kind = RandomForestClassifier if width > 1 else RandomForestRegressor
        # Without bootstrap every tree sees every class.
        model = kind(n_estimators=len(trees), bootstrap=False).fit(rows, target)
        for member, tree in zip(model.estimators_, trees, strict=True):
            member.tree_ = tree
    else:
        kind = DecisionTreeClassifier if width > 1 else DecisionTreeRegressor
        model = kind().fit(rows, target)
        model.tree_ = trees[0]
    return model


def assert_same_or_both_refuse(model: Any, rows: np.ndarray) -> None:
    forest = compile_forest(model)
    assert forest is not None
    again = Forest(from_bytes(to_bytes(take_arrays(model))), vectors=False)
    method = "predict" if forest.classes is None else "predict_proba"
    with np.errstate(all="ignore"):  # scikit-learn sums the rows to look for what is not finite
        try:
            expected = getattr(model, method)(rows)
            answers = model.predict(rows)
        except ValueError:
            with pytest.raises(RowsRefused) as refused:
                getattr(forest, method)(rows)
            if forest.classes is None:
                with pytest.raises(RowsRefused) as also_refused:
                    forest.values(rows)
                assert also_refused.value.rows == refused.value.rows
            with pytest.raises(RowsRefused, match="Row 0:"):
                forest.one(rows[refused.value.rows[0]].astype(np.float64).tobytes())
            return
    for one in (forest, again):
        assert getattr(one, method)(rows).tobytes() == expected.tobytes()
        assert one.predict(rows).tobytes() == answers.tobytes()
        if one.classes is None:
            assert np.array(one.values(rows)).tobytes() == expected.tobytes()
        alone = [one.one(row.tobytes()) for row in rows.astype(np.float64)]
        assert np.array(alone).tobytes() == expected.tobytes()


@pytest.mark.parametrize("missing_left", [True, False])
@pytest.mark.parametrize("threshold", [*NEAR_EDGES, np.inf, -np.inf])
def test_thresholds_at_the_edge_of_float32_predict_the_same(
    threshold: float, *, missing_left: bool
) -> None:
    """Rounded down to float32, a threshold parts the same float32 numbers as before."""
    splits = [Split(0, 0, threshold, missing_left)]
    model = model_of([make_tree(splits, [[0.0], [1.0], [2.0]], 1)], forest=False)
    usable = [edge for edge in NEAR_EDGES if abs(edge) <= LARGEST]
    rows = np.array([*usable, np.nan])[:, None]
    assert_same_or_both_refuse(model, rows)
    singles = rows[:-1, 0].astype(np.float32)
    forest = compile_forest(model)
    assert forest is not None
    right = np.array([float(single) > threshold for single in singles])
    assert np.array_equal(forest.predict(rows[:-1]) == 2.0, right)


def test_the_sign_of_zero_equals_scikit_learn_s() -> None:
    tree = make_tree([], [[-0.0]], 1)
    for forest in (True, False):
        assert_same_or_both_refuse(model_of([tree], forest=forest), np.zeros((3, 1)))


def test_overflowing_sums_predict_the_same() -> None:
    trees = [make_tree([], [[1.7e308]], 1)] * 3
    model = model_of(trees, forest=True)
    forest = compile_forest(model)
    assert forest is not None
    assert forest.predict(np.zeros((2, 1))).tolist() == [np.inf, np.inf]


def complete_tree(inner: int, features: int) -> ForestArrays:
    """Node i has the children 2i + 1 and 2i + 2. Leaf values are the numbers of the nodes."""
    nodes = np.arange(2 * inner + 1)
    rng = np.random.default_rng(0)
    return ForestArrays(
        task="regression",
        n_features=features,
        averaged=False,
        allows_missing=True,
        classes=None,
        node_counts=np.array([len(nodes)]),
        children_left=np.where(nodes < inner, 2 * nodes + 1, -1).astype(np.int32),
        children_right=np.where(nodes < inner, 2 * nodes + 2, -1).astype(np.int32),
        feature=rng.integers(0, features, len(nodes)).astype(np.int32),
        threshold=rng.normal(size=len(nodes)),
        missing_go_to_left=rng.integers(0, 2, len(nodes)).astype(np.uint8),
        leaf_values=nodes[inner:, None].astype(float),
    )


@pytest.mark.parametrize(
    ("inner", "features"),
    [(2**19 - 1, 204), (2**19, 204), (2**19 - 1, 205), (500, 204), (500, 205)],
)
def test_trees_with_many_nodes_or_features_predict_the_same(inner: int, features: int) -> None:
    """On both sides of what the smaller form of a node has room for, and in its last bits."""
    arrays = complete_tree(inner, features)
    rows = np.random.default_rng(1).normal(size=(200, features)).astype(np.float32)
    rows[100:, ::3] = np.nan
    at = np.zeros(len(rows), dtype=np.int64)
    for _ in range(inner.bit_length()):
        cells = rows[np.arange(len(rows)), arrays.feature[at]]
        left = np.where(
            np.isnan(cells), arrays.missing_go_to_left[at] == 1, cells <= arrays.threshold[at]
        )
        at = np.where(at < inner, 2 * at + np.where(left, 1, 2), at)
    forest = Forest(arrays)
    assert forest.predict(rows).tolist() == at.tolist()
    assert forest.predict(rows[:100]).tolist() == at[:100].tolist()
    assert [forest.values(row[None])[0] for row in rows] == at.tolist()


def right_chains(trees: int, depth: int, features: int) -> ForestArrays:
    """Each left child is a leaf, and a row goes left where feature 0 is NaN or at most 0."""
    nodes = np.arange(2 * depth + 1)
    is_inner = (nodes % 2 == 0) & (nodes < 2 * depth)
    return ForestArrays(
        task="regression",
        n_features=features,
        averaged=True,
        allows_missing=True,
        classes=None,
        node_counts=np.full(trees, len(nodes)),
        children_left=np.tile(np.where(is_inner, nodes + 1, -1).astype(np.int32), trees),
        children_right=np.tile(np.where(is_inner, nodes + 2, -1).astype(np.int32), trees),
        feature=np.zeros(trees * len(nodes), dtype=np.int32),
        threshold=np.zeros(trees * len(nodes)),
        missing_go_to_left=np.ones(trees * len(nodes), dtype=np.uint8),
        leaf_values=np.tile(np.arange(depth + 1.0), trees)[:, None],
    )


def test_missing_values_do_not_change_the_rows_of_the_next_block() -> None:
    """Of 2,700 features 20 rows make a block: the second has 17 rows, and 3 lanes without a row.

    All rows are at a leaf after one step. A lane that keeps the key of a missing value, which is
    above every threshold, walks down all 10,000 levels.
    """
    forest = Forest(right_chains(40, 10_000, 2_700))
    rows = np.zeros((20 + 17, 2_700), dtype=np.float32)
    with_missing = rows.copy()
    with_missing[:20, 0] = np.nan
    assert forest.predict(rows).tolist() == forest.predict(with_missing).tolist() == [0.0] * 37

    def seconds(rows: np.ndarray) -> float:
        began = time.thread_time()
        forest.predict(rows)
        return time.thread_time() - began

    assert min(seconds(with_missing) for _ in range(7)) < 4 * min(seconds(rows) for _ in range(7))


def test_most_forests_take_eight_bytes_a_node() -> None:
    small, large = Forest(complete_tree(500, 204)), Forest(complete_tree(500, 205))
    assert large.nbytes - small.nbytes >= 8 * 1001


def test_very_small_trees_take_no_memory_for_their_upper_levels() -> None:
    stumps = right_chains(1_000, 1, 3)
    assert Forest(stumps).nbytes == Forest(stumps, vectors=False).nbytes
    assert Forest(stumps).predict(np.eye(100, 3)).tolist() == (np.eye(100, 3)[:, 0] > 0).tolist()


numbers = st.one_of(
    st.sampled_from(NEAR_EDGES),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-3, 3).map(float),
)
splits = st.lists(
    st.builds(
        Split,
        at=st.integers(0, 100),
        feature=st.integers(0, 299),
        threshold=st.one_of(numbers, st.sampled_from([np.inf, -np.inf])),
        missing_left=st.booleans(),
    ),
    max_size=25,
)
leaf_numbers = st.floats(-1e9, 1e9)


@st.composite
def models(draw: st.DrawFn) -> Any:
    # Nodes have another form where there are more than 204 features.
    features = draw(st.one_of(st.integers(1, 5), st.integers(1, 5), st.sampled_from([204, 205])))
    width = draw(st.sampled_from([1, 1, 2, 3]))
    forest = draw(st.booleans())
    values = st.lists(
        st.lists(leaf_numbers, min_size=width, max_size=width), min_size=1, max_size=20
    )
    trees = [
        make_tree(draw(splits), draw(values), features)
        for _ in range(draw(st.integers(1, 6)) if forest else 1)
    ]
    # More trees than walk side by side, now and then.
    return model_of(
        trees * draw(st.sampled_from([1, 1, 1, 12])) if forest else trees, forest=forest
    )


cells = st.one_of(numbers, numbers, st.just(np.nan), st.sampled_from([np.inf, 3.5e38]))
usable_cells = numbers.filter(lambda number: abs(number) <= LARGEST) | st.just(np.nan)


@given(st.data(), models())
def test_any_tree_predicts_any_rows_like_the_reference(data: st.DataObject, model: Any) -> None:
    kind = data.draw(st.sampled_from([usable_cells, usable_cells, cells]))
    features = model.n_features_in_
    drawn = min(features, 5)
    few = data.draw(
        st.lists(st.lists(kind, min_size=drawn, max_size=drawn), min_size=1, max_size=12)
    )
    columns = np.arange(features) % drawn
    rows = np.tile(np.array(few)[:, columns], (data.draw(st.sampled_from([1, 2, 7, 50])), 1))
    if data.draw(st.booleans()):
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float32)
    assert_same_or_both_refuse(model, rows)


@given(st.data())
def test_any_small_forest_predicts_like_scikit_learn(data: st.DataObject) -> None:
    fitted = st.one_of(
        st.integers(-3, 3).map(float),
        st.floats(-(2.0**100), 2.0**100, width=32),
        st.sampled_from([0.0, -0.0, 1e-45, -1e-45, 1e-38, np.nan]),
    )
    count, features = data.draw(st.integers(2, 25)), data.draw(st.integers(1, 4))
    cell_rows = st.lists(fitted, min_size=features, max_size=features)
    rows = np.array(data.draw(st.lists(cell_rows, min_size=count, max_size=count)))
    target = np.array(data.draw(st.lists(st.integers(0, 5), min_size=count, max_size=count)))
    kind = data.draw(
        st.sampled_from(
            [
                DecisionTreeRegressor,
                DecisionTreeClassifier,
                RandomForestRegressor,
                RandomForestClassifier,
            ]
        )
    )
    options = {"n_estimators": 7} if "Forest" in kind.__name__ else {}
    with np.errstate(all="ignore"):
        model = kind(random_state=0, **options).fit(rows, target)
    asked = np.array(data.draw(st.lists(cell_rows, min_size=1, max_size=10)))
    assert_same_or_both_refuse(model, np.vstack([asked, rows]))
