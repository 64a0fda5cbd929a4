"""The kernel of boosted trees against a walk in Python, on random trees without any library."""

import dataclasses
import math

import msgspec
import numpy as np
import pytest

from registry.engines.boosting.compiling import compile_trees
from registry.engines.boosting.model import BoostedModel, Tree
from registry.engines.boosting_arrays import BoostingParameters, ColumnKind, Link
from registry.engines.boosting_file import ARRAYS, from_bytes, to_bytes
from registry.engines.boosting_predictor import AVAILABLE, pack
from tests.marks import each_once

pytestmark = pytest.mark.skipif(not AVAILABLE, reason="built without a C compiler")
NUMBERS = (ColumnKind.NUMBER, ColumnKind.NAN_IS_ZERO, ColumnKind.ZERO_IS_MISSING)
SETS = (ColumnKind.CATEGORY, ColumnKind.CUT_CATEGORY, ColumnKind.KNOWN_CATEGORY)
TINY = float(np.float32(1e-35))
FEATURES = 5


def random_tree(draws, inner, kinds, output):
    """A tree of ``inner`` nodes and a leaf more, each node split at a random leaf."""
    left, right = [-1], [-1]
    for _ in range(inner):
        leaf = draws.choice([at for at, child in enumerate(left) if child < 0])
        left[leaf], right[leaf] = len(left), len(left) + 1
        left += [-1, -1]
        right += [-1, -1]
    count = len(left)
    # The last feature has categories, the others numbers.
    feature = draws.integers(0, FEATURES, count)
    by_set = feature == FEATURES - 1
    threshold = draws.choice([-1.5, -0.25, 0.0, 0.25, 1.0, 1e300], count)
    threshold[by_set] = 0.0
    kind = np.where(by_set, draws.choice(kinds[1], count), draws.choice(kinds[0], count))
    inner_sets = np.flatnonzero(by_set & (np.array(left) >= 0)).tolist()
    return Tree(
        left=np.array(left),
        right=np.array(right),
        feature=feature,
        threshold=threshold,
        kind=kind.astype(np.uint8),
        missing_left=draws.random(count) < 0.5,
        value=draws.normal(size=count),
        output=output,
        sets={node: np.unique(draws.integers(0, 70, 9)) for node in inner_sets},
    )


def goes_left(model, tree, node, value, known):
    kind = ColumnKind(int(tree.kind[node]))
    zero = value == 0 or (model.parameters.tiny_is_zero and abs(value) <= TINY)
    if model.parameters.casts:
        value = float(np.float32(value))
    if zero:
        value = 0.0
    missing = bool(tree.missing_left[node])
    if not kind.is_category:
        if math.isnan(value) and kind == ColumnKind.NAN_IS_ZERO:
            value = 0.0
        if math.isnan(value) or (kind == ColumnKind.ZERO_IS_MISSING and zero):
            return missing
        return value <= tree.threshold[node]
    if math.isnan(value):
        return missing
    unlisted = not model.listed_left
    unknown = missing if kind == ColumnKind.KNOWN_CATEGORY else unlisted
    if kind != ColumnKind.CUT_CATEGORY and value < 0:
        return unknown
    category = math.trunc(value)
    if category not in known[kind]:
        return unknown
    return model.listed_left if category in tree.sets[node] else unlisted


def predicted(model, row):
    known = {kind: set() for kind in ColumnKind}
    for tree in model.trees:
        for node, held in tree.sets.items():
            known[ColumnKind(int(tree.kind[node]))] |= set(held.tolist())
    sums = model.start.tolist()
    for tree in model.trees:
        node = 0
        while tree.left[node] >= 0:
            left = goes_left(model, tree, node, row[tree.feature[node]], known)
            node = int((tree.left if left else tree.right)[node])
        total = sums[tree.output] + float(tree.value[node])
        sums[tree.output] = float(np.float32(total)) if model.parameters.single else total
    return [total / model.parameters.divisor for total in sums]


def random_rows(draws, count):
    rows = draws.choice([-1.5, -0.25, 0.0, -0.0, 0.1, 0.25, 1.0, 2.0, 1e-36, 1e-60, math.nan],
                        (count, FEATURES))  # fmt: skip
    rows[:, -1] = draws.choice([*range(80), -0.5, -3.0, 3.7, 1e20, math.nan], count)
    return rows


@pytest.mark.parametrize(
    ("seed", "columns", "leaves"), each_once(range(6), [FEATURES, 300], [64, 65])
)
def test_random_trees_are_summed_as_in_python(seed, columns, leaves):
    draws = np.random.default_rng(seed)
    outputs = 1 + seed // 2
    kinds = NUMBERS, SETS if seed % 2 else SETS[:1]
    count = 140 if seed < 2 else 62  # more than a row walks side by side, and fewer
    trees = [
        random_tree(draws, int(draws.integers(0, 40)), kinds, at % outputs) for at in range(count)
    ]
    trees[3] = random_tree(draws, leaves - 1, kinds, trees[3].output)
    model = BoostedModel(
        names=None,
        parameters=BoostingParameters(
            n_features=columns,
            answer="value",
            divisor=1.0 + seed % 2,
            casts=seed % 3 == 0,
            single=seed % 3 == 0,
            tiny_is_zero=seed % 2 == 0,
        ),
        trees=trees,
        start=draws.normal(size=outputs).astype(np.float32).astype(np.float64),
        listed_left=seed % 2 == 0,
    )
    if model.parameters.single:
        rounded = [tree.value.astype(np.float32).astype(np.float64) for tree in trees]
        trees[:] = [
            dataclasses.replace(tree, value=value)
            for tree, value in zip(trees, rounded, strict=True)
        ]
    rows = random_rows(draws, 45)
    wide = np.full((len(rows), columns), 0.5)
    wide[:, :FEATURES] = rows

    kernel = pack(from_bytes(to_bytes(compile_trees(model))))

    out = np.empty((len(rows), outputs))
    assert kernel.masked == (leaves == 64)
    assert kernel.evaluate(wide, out) == -1
    assert out.tolist() == [predicted(model, row) for row in rows.tolist()]
    assert [kernel.one(row.tobytes()) for row in wide] == out.tolist()


def stump(n_features=2, **changed):
    """One split at 0.5 between -1 and 1."""
    tree = Tree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.zeros(3, np.int64),
        threshold=np.array([0.5, 0, 0]),
        kind=np.zeros(3, np.uint8),
        missing_left=np.ones(3, np.bool_),
        value=np.array([0.0, -1.0, 1.0]),
        output=0,
    )
    parameters = BoostingParameters(n_features=n_features, answer="value", **changed)
    return BoostedModel(names=None, parameters=parameters, trees=[tree], start=np.zeros(1))


def forest_of(count, columns, category=None):
    """Trees of one split each, by ``columns`` features in turn; by ``category`` the first."""
    model = stump(n_features=columns)
    trees = [
        dataclasses.replace(
            model.trees[0], feature=np.full(3, at % columns), value=np.array([0.0, at, at + 0.5])
        )
        for at in range(count)
    ]
    if category is not None:
        kind = np.full(3, ColumnKind.CATEGORY, np.uint8)
        trees[0] = dataclasses.replace(trees[0], kind=kind, sets={0: np.arange(category)})
    return dataclasses.replace(model, trees=trees)


@pytest.mark.parametrize(
    ("model", "masked"),
    [
        (forest_of(128, 32), True),
        (forest_of(127, 32), False),
        (forest_of(132, 33), False),
        (forest_of(4096, 1), True),
        (forest_of(4097, 1), False),
        (forest_of(40, 1, category=254), True),
        (forest_of(40, 1, category=255), False),
    ],
    ids=[
        "enough trees",
        "too few trees",
        "too many columns",
        "most trees",
        "too many trees",
        "most categories",
        "too many categories",
    ],
)
def test_leaves_are_found_by_masks_where_that_is_faster_and_takes_little_memory(model, masked):
    kernel = pack(compile_trees(model))
    columns = model.parameters.n_features
    rows = np.random.default_rng(1).choice([0.0, 1.0, 300.0, math.nan], (20, columns))

    assert kernel.masked == masked
    assert kernel.values(rows) == [predicted(model, row)[0] for row in rows.tolist()]


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (Link.LOGISTIC, lambda x: 1 / (1 + math.exp(-2 * x))),
        (Link.EXP, math.exp),
        (Link.SIGNED_SQUARE, lambda x: math.copysign(x * x, x)),
        (Link.SOFTPLUS, lambda x: math.log1p(math.exp(x))),
        (Link.HINGE, lambda x: float(x > 0)),
        (Link.IDENTITY, lambda x: x),
        (Link.ROUNDED_EXP, lambda x: float(np.float32(math.exp(x)))),
    ],
)
def test_sums_are_linked(link, expected):
    kernel = pack(compile_trees(stump(link=link, scale=2.0)))

    assert kernel.values(np.array([[0.0, 0.0], [1.0, 0.0]])) == [expected(-1.0), expected(1.0)]


def test_a_row_that_is_infinite_as_float_is_not_accepted():
    kernel = pack(compile_trees(stump(casts=True)))

    rows = np.array([[0.0, 0.0], [0.0, 1e39]])

    assert kernel.evaluate(rows, np.empty((2, 1))) == 1
    assert kernel.one(rows[1].tobytes()) is None
    assert pack(compile_trees(stump())).values(np.array([[1e39, math.inf]])) == [1.0]


def test_a_file_has_the_fields_of_format_1():
    """Versions that are stored by other releases have these."""
    arrays = compile_trees(stump(link=Link.LOGISTIC, scale=2.0, casts=True))
    stored = {
        "format": 1,
        "n_features": 2,
        "answer": "value",
        "link": 5,
        "scale": 2.0,
        "divisor": 1.0,
        "casts": True,
        "single": False,
        "tiny_is_zero": False,
        "allows_missing": True,
        "arrays": {
            name: getattr(arrays, name).astype(dtype).tobytes() for name, dtype in ARRAYS.items()
        },
    }

    assert msgspec.msgpack.decode(to_bytes(arrays)) == stored
    read = from_bytes(msgspec.msgpack.encode(stored))
    assert read.parameters == arrays.parameters
    assert pack(read).values(np.zeros((1, 2))) == pack(arrays).values(np.zeros((1, 2)))


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_that_do_not_fit_are_refused(name):
    arrays = compile_trees(stump())
    whole = getattr(arrays, name)
    for broken in (
        np.append(whole, whole[-1:]) if len(whole) else np.ones(1, whole.dtype) * 7,
        whole[:0] if len(whole) else whole.astype(np.int16),
        whole.astype(np.complex128),
    ):
        if name in {"sets", "start"} and broken.dtype == whole.dtype and len(broken):
            continue  # more words of sets, or more outputs, than the trees use
        with pytest.raises(ValueError):  # noqa: PT011 - the message depends on the array
            pack(dataclasses.replace(arrays, **{name: broken}))


@pytest.mark.parametrize(
    "seed", [*range(20), *(pytest.param(n, marks=pytest.mark.slow) for n in range(20, 200))]
)
def test_random_numbers_in_the_arrays_are_refused_or_walked(seed):
    draws = np.random.default_rng(seed)
    trees = [random_tree(draws, 12, (NUMBERS, SETS), 0) for _ in range(60 if seed % 2 else 1)]
    model = dataclasses.replace(stump(n_features=FEATURES), trees=trees)
    arrays = compile_trees(model)
    name = draws.choice([name for name in ARRAYS if len(getattr(arrays, name))])
    broken = getattr(arrays, name).copy()
    limits = [-2, -1, 0, 1, 3, 31, 64, 2**31 - 1]
    broken[draws.integers(0, len(broken))] = draws.choice(limits).astype(broken.dtype)
    try:
        kernel = pack(dataclasses.replace(arrays, **{name: broken}))
    except ValueError:
        return
    rows = random_rows(draws, 20)
    kernel.evaluate(rows, np.empty((len(rows), 1)))
