"""The kernel's predictions equal scikit-learn's to the last bit, for trees that it fits."""

import pickle
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.tree import (
    DecisionTreeClassifier,
    DecisionTreeRegressor,
    ExtraTreeClassifier,
    ExtraTreeRegressor,
)

from registry.engines.forest import AVAILABLE, Forest, RowsRefused, compile_forest
from registry.engines.forest_arrays import take_arrays
from registry.engines.forest_file import from_bytes, to_bytes
from tests.marks import each_once, first_fast

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="built without a C compiler")

REGRESSORS: list[Any] = [
    DecisionTreeRegressor(random_state=0),
    DecisionTreeRegressor(max_depth=5, random_state=0),
    DecisionTreeRegressor(max_leaf_nodes=40, random_state=0),
    DecisionTreeRegressor(criterion="absolute_error", max_depth=6, random_state=0),
    DecisionTreeRegressor(criterion="poisson", max_depth=6, random_state=0),
    DecisionTreeRegressor(max_features=2, random_state=0),
    DecisionTreeRegressor(monotonic_cst=[1, 0, -1, 0, 0], max_depth=8, random_state=0),
    DecisionTreeRegressor(ccp_alpha=0.01, random_state=0),
    ExtraTreeRegressor(random_state=0),
    ExtraTreeRegressor(splitter="best", random_state=0),
    RandomForestRegressor(n_estimators=1, random_state=0),
    RandomForestRegressor(n_estimators=33, random_state=0),
    RandomForestRegressor(n_estimators=70, max_features="sqrt", min_samples_leaf=3, random_state=0),
    RandomForestRegressor(n_estimators=9, monotonic_cst=[1, 0, -1, 0, 0], random_state=0),
    ExtraTreesRegressor(n_estimators=40, bootstrap=True, max_samples=0.3, random_state=0),
]
CLASSIFIERS: list[Any] = [
    DecisionTreeClassifier(random_state=0),
    DecisionTreeClassifier(max_depth=3, criterion="entropy", random_state=0),
    DecisionTreeClassifier(class_weight="balanced", min_samples_leaf=5, random_state=0),
    ExtraTreeClassifier(max_depth=6, random_state=0),
    RandomForestClassifier(n_estimators=45, max_depth=7, random_state=0),
    RandomForestClassifier(n_estimators=10, class_weight="balanced_subsample", random_state=0),
    RandomForestClassifier(n_estimators=4, max_depth=2, criterion="log_loss", random_state=0),
    ExtraTreesClassifier(n_estimators=40, max_features=1, random_state=0),
]
ROW_COUNTS = (1, 2, 9, 15, 16, 19, 20, 21, 63, 64, 65, 71, 1000, 1019, 1020, 1021, 1037)


def title(model: Any) -> str:
    return repr(model).replace("random_state=0", "").replace(" ", "")


def table(rows: int, seed: int, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(rows, 5)) * [1, 10, 1e-3, 1e6, 1]
    found[:, 4] = rng.integers(0, 3, rows)
    found[rng.random(found.shape) < missing] = np.nan
    return found


def numbers(rows: np.ndarray) -> np.ndarray:
    filled = np.nan_to_num(rows)
    return np.abs(filled[:, 0] * filled[:, 4] + np.sin(filled[:, 1])) + 0.1


def equal_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return (
        left.dtype == right.dtype
        and left.shape == right.shape
        and np.ascontiguousarray(left).tobytes() == np.ascontiguousarray(right).tobytes()
    )


def compiled(model: Any) -> Forest:
    forest = compile_forest(model)
    assert forest is not None
    return forest


def assert_same(model: Any, rows: np.ndarray, counts: tuple[int, ...] = ROW_COUNTS) -> None:
    forest = compiled(model)
    again = Forest(from_bytes(to_bytes(take_arrays(model))), vectors=False)
    for count in counts:
        asked = rows[:count]
        for one in (forest, again):
            if forest.classes is None:
                assert equal_bits(one.predict(asked), model.predict(asked))
            else:
                assert equal_bits(one.predict_proba(asked), model.predict_proba(asked))
                assert one.predict(asked).tolist() == model.predict(asked).tolist()
                if forest.classes.dtype.kind != "O":
                    assert equal_bits(one.predict(asked), model.predict(asked))


@pytest.mark.parametrize("model", REGRESSORS, ids=title)
def test_predictions_of_regressions_equal_scikit_learn_s(model: Any) -> None:
    rows = table(600, 1)
    model.fit(rows, numbers(rows))
    assert_same(model, table(1000, 2))


@pytest.mark.parametrize(("model", "classes"), each_once(CLASSIFIERS, [3, 1, 2, 11]), ids=title)
def test_predictions_of_classifications_equal_scikit_learn_s(model: Any, classes: int) -> None:
    rows = table(600, 1)
    labels = (numbers(rows) * 5).astype(int) % classes
    model.fit(rows, labels)
    assert_same(model, table(1000, 2), (1, 16, 257, 1000))


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["no", "yes", "perhaps"]),
        np.array(["no", "yes", "perhaps"], dtype=object),
        np.array([-5, 0, 2**40]),
        np.array([1, 2, 250], dtype=np.uint8),
        np.array([0.0, 7.0, -3.0]),
        np.array([1.0, 17.0, -3.0], dtype=np.float32),
        np.array([False, True, True]),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_keep_their_type(labels: np.ndarray) -> None:
    rows = table(300, 1)
    target = labels[(numbers(rows) * 5).astype(int) % 3]
    for model in (DecisionTreeClassifier(max_depth=4), RandomForestClassifier(5, max_depth=4)):
        assert_same(model.fit(rows, target), table(50, 2), (1, 50))


@pytest.mark.parametrize(
    "model", [RandomForestRegressor(20, random_state=0), DecisionTreeRegressor(random_state=0)]
)
def test_models_fitted_with_sample_weights_predict_the_same(model: Any) -> None:
    rows = table(400, 1)
    weights = np.random.default_rng(0).exponential(size=400)
    weights[:50] = 0
    assert_same(model.fit(rows, numbers(rows), sample_weight=weights), table(1000, 2))


@pytest.mark.parametrize("fitted_with_missing", first_fast([True, False]))
@pytest.mark.parametrize(
    "model",
    first_fast(
        [
            DecisionTreeRegressor(random_state=0),
            ExtraTreesRegressor(30, random_state=0),
            DecisionTreeClassifier(random_state=0),
            ExtraTreeRegressor(random_state=0),
            RandomForestRegressor(30, random_state=0),
            RandomForestClassifier(30, random_state=0),
            ExtraTreesClassifier(30, random_state=0),
        ],
        3,
    ),
    ids=title,
)
def test_missing_values_take_the_branch_that_scikit_learn_takes(
    model: Any, *, fitted_with_missing: bool
) -> None:
    rows = table(500, 1, missing=0.2 if fitted_with_missing else 0.0)
    target = numbers(rows)
    target[np.isnan(rows[:, 1])] += 7  # makes being missing worth a split
    if "Classifier" in type(model).__name__:
        target = target.astype(int) % 4
    model.fit(rows, target)
    assert compiled(model).allows_missing
    some_missing = table(1000, 2, missing=0.2)
    some_missing[10] = np.nan
    some_missing[600:] = table(400, 3)
    assert_same(model, some_missing)


def test_missing_values_are_refused_where_scikit_learn_refuses_them() -> None:
    rows = table(100, 1)
    model = ExtraTreeRegressor(splitter="best").fit(rows, numbers(rows))
    forest = compiled(model)
    asked = table(700, 2)
    asked[[3, 650], 1] = np.nan
    assert not forest.allows_missing
    with pytest.raises(ValueError, match="NaN"):
        model.predict(asked)
    with pytest.raises(RowsRefused, match="Rows 3, 650: a missing value") as caught:
        forest.predict(asked)
    assert caught.value.rows == (3, 650)


@pytest.mark.parametrize("bad", [np.inf, -np.inf, 3.5e38, -1e300])
@pytest.mark.parametrize("row", [0, 299, 555])
def test_infinite_values_are_refused(bad: float, row: int) -> None:
    rows = table(100, 1)
    model = RandomForestRegressor(3).fit(rows, numbers(rows))
    asked = table(700, 2)
    asked[row, 4] = bad
    asked[690, 0] = np.nan
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="infinity"):
        model.predict(asked)
    with pytest.raises(RowsRefused, match=f"Row {row}: an infinity") as caught:
        compiled(model).predict(asked)
    assert caught.value.rows == (row,)


def test_a_tree_of_one_node_predicts_the_same() -> None:
    rows = table(20, 1)
    for model in (DecisionTreeRegressor(), RandomForestRegressor(3), ExtraTreeRegressor()):
        model.fit(rows, np.full(20, 0.1))
        assert compiled(model).depth == 0
        assert_same(model, table(1000, 2))


@pytest.mark.parametrize("depth", [40, 300])
def test_a_tree_that_is_a_chain_of_nodes_predicts_the_same(depth: int) -> None:
    rows = np.arange(depth + 1, dtype=float)[:, None]
    target = np.where(rows[:, 0] % 2, 1, -1) * 2.0 ** (rows[:, 0] / 10)
    rng = np.random.default_rng(0)
    model = DecisionTreeRegressor().fit(rows, 4.0 ** np.minimum(rows[:, 0], 500))
    assert compiled(model).depth >= depth * 0.6
    assert_same(model, rng.uniform(-1, depth + 1, (1000, 1)))
    forest = RandomForestRegressor(20, random_state=0).fit(rows, target)
    assert_same(forest, rng.uniform(-1, depth + 1, (1000, 1)))


def test_trees_are_added_in_their_order() -> None:
    rows = table(300, 1)
    target = numbers(rows) * 10.0 ** np.random.default_rng(0).integers(-12, 12, 300)
    assert_same(RandomForestRegressor(100, random_state=0).fit(rows, target), table(1000, 2))


@pytest.mark.parametrize(
    "cast",
    [
        lambda rows: rows.astype(np.float32),
        lambda rows: rows.astype(">f8"),
        np.asfortranarray,
        lambda rows: np.repeat(rows, 2, axis=0)[::2],
        lambda rows: (rows * 100).astype(np.int64) * 2**40,
        lambda rows: rows > 0,
        lambda rows: (rows / 1e3).astype(np.float16),
        lambda rows: rows.astype(np.longdouble),
    ],
)
def test_rows_may_have_any_layout_and_number_type(cast: Any) -> None:
    rows = table(300, 1)
    model = RandomForestRegressor(10, random_state=0).fit(rows, numbers(rows))
    asked = cast(table(100, 2))
    assert equal_bits(compiled(model).predict(asked), model.predict(asked))


def test_rows_must_be_two_dimensional_numbers() -> None:
    rows = table(100, 1)
    forest = compiled(DecisionTreeRegressor().fit(rows, numbers(rows)))
    for wrong in (rows[0], rows[:0], rows[:, :4], rows[None], rows.astype(str), rows.astype("O")):
        with pytest.raises(ValueError, match=r"row|numbers"):
            forest.predict(wrong)
    with pytest.raises(TypeError, match="no probabilities"):
        forest.predict_proba(rows)


def test_unsupported_models_are_not_compiled() -> None:
    rows = table(100, 1)
    target = numbers(rows)

    class Own(DecisionTreeRegressor):
        pass

    assert compile_forest(GradientBoostingRegressor(n_estimators=2).fit(rows, target)) is None
    assert compile_forest(Own().fit(rows, target)) is None
    with pytest.raises(ValueError, match="2 outputs"):
        compile_forest(RandomForestRegressor(2).fit(rows, np.column_stack([target, target])))
    with pytest.raises(ValueError, match="not fitted"):
        compile_forest(RandomForestRegressor(2))
    with pytest.raises(ValueError, match="neither a decision tree"):
        take_arrays(object())


def test_threads_share_a_forest() -> None:
    rows = table(300, 1)
    model = RandomForestRegressor(60, random_state=0).fit(rows, numbers(rows))
    forest, asked = compiled(model), table(2000, 2)
    expected = model.predict(asked)
    wrong: list[int] = []

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            start, count = rng.integers(0, 1000), rng.integers(1, 1000)
            answers = forest.predict(asked[start : start + count])
            if not equal_bits(answers, expected[start : start + count]):
                wrong.append(seed)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_long_batch_lets_other_threads_run() -> None:
    rows = table(300, 1)
    forest = compiled(RandomForestRegressor(200, random_state=0).fit(rows, numbers(rows)))
    asked = np.tile(table(1000, 2), (50, 1))
    ticks, over = 0, threading.Event()

    def walk() -> None:
        forest.predict(asked)
        over.set()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # threads only switch where they release the lock themselves
    try:
        thread = threading.Thread(target=walk)
        thread.start()
        while not over.wait(0.001):
            ticks += 1
        thread.join()
    finally:
        sys.setswitchinterval(before)
    assert ticks > 3


def test_a_forest_is_immutable() -> None:
    rows = table(100, 1)
    forest = compiled(DecisionTreeClassifier().fit(rows, numbers(rows) > 1))
    with pytest.raises(AttributeError):
        forest._trees.depth = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        type(forest._trees).evaluate = None  # type: ignore[method-assign]
    with pytest.raises(TypeError):
        pickle.dumps(forest._trees)
    assert forest.classes is not None
    with pytest.raises(ValueError, match="read-only"):
        forest.classes[0] = True


def test_serving_imports_neither_scikit_learn_nor_pandas() -> None:
    code = (
        "import sys, registry.engines.forest, registry.engines.forest_file;"
        "assert not {'sklearn', 'pandas', 'scipy'} & {m.split('.')[0] for m in sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
