"""Reading artifacts: allowed models are restored, and nothing else runs."""

import bz2
import gzip
import importlib
import io
import json
import lzma
import os
import pickle
import sys
import time
import zipfile
import zlib

import joblib
import numpy as np
import pytest
from joblib.numpy_pickle import NumpyArrayWrapper
from sklearn.base import clone
from sklearn.cluster import DBSCAN
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import NMF
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor, VotingRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.manifold import Isomap
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import Bunch

from registry.errors import ArtifactRefused, FormatUnsupported
from registry.formats.allowed import ESTIMATORS, PARTS, PICKLE_GLOBALS, SKOPS_TYPES
from registry.formats.reading import format_of_filename, parse_format, read_model
from registry.formats.sparse_rows import SPARSE
from tests.attacks.attack import canary_in
from tests.attacks.opcodes import Call, in_an_array, program, written
from tests.attacks.structures import ATTACKS, TREE_DAMAGE, spoilt
from tests.integration.registry.models import MODELS, X, Y, rows_for
from tests.marks import each_once, third_fast

both = pytest.mark.parametrize("format_", ["skops", "joblib"])


def read(content, format_="joblib"):
    return read_model(io.BytesIO(content), format_)


def refusal(content, format_="joblib"):
    with pytest.raises(ArtifactRefused) as refused:
        read(content, format_)
    return refused.value.detail


@pytest.mark.parametrize("name", sorted(ESTIMATORS | PARTS))
def test_every_allowed_name_exists_in_the_installed_release(name):
    module, _, attribute = name.rpartition(".")

    assert isinstance(getattr(importlib.import_module(module), attribute), type)


def test_the_allow_list_contains_nothing_that_imports_or_runs_code():
    for name in SKOPS_TYPES | PICKLE_GLOBALS:
        if name in SPARSE | {"scipy.interpolate._bsplines.BSpline"}:  # numbers, which are checked
            continue
        assert name.startswith(("sklearn.", "numpy.", "builtins.", "registry.", "joblib."))
        assert not name.startswith("builtins.") or name.partition(".")[2] in {
            *("NoneType", "bool", "bytes", "dict", "float", "int", "list", "slice", "str", "tuple")
        }


@both
@pytest.mark.parametrize("name", third_fast(MODELS))
def test_a_loaded_model_predicts_the_same(name, format_):
    model = MODELS[name]

    again = read(written(model, format_), format_)

    assert np.array_equal(again.predict(rows_for(model)), model.predict(rows_for(model)))
    if hasattr(model, "predict_proba"):
        shares = model.predict_proba(rows_for(model))
        assert np.array_equal(again.predict_proba(rows_for(model)), shares)


@pytest.mark.parametrize("compress", [("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_compressed_joblib_files_are_read(compress):
    file = io.BytesIO()
    joblib.dump(MODELS["forest"], file, compress=compress)

    again = read(file.getvalue())

    assert np.array_equal(again.predict(X), MODELS["forest"].predict(X))


@pytest.fixture
def canary(tmp_path):
    """A file that stands only if something ran."""
    file = tmp_path / "canary"
    yield file
    assert not file.exists()


def calls(canary):
    code = f"open({str(canary)!r}, 'w')"
    return {
        "system": Call(os.system, f"touch {canary}"),
        "eval": Call(eval, code),
        "exec": Call(exec, code),
        "open": Call(open, str(canary), "w"),
        "getattr": Call(getattr, 1, "real"),
        "import": Call(importlib.import_module, "antigravity"),
        "joblib": Call(joblib.load, str(canary)),
    }


@pytest.mark.parametrize("name", list(calls("")))
@pytest.mark.parametrize("inside", ["alone", "in a model", "in an object array"])
def test_a_pickle_that_calls_unlisted_globals_is_refused_before_it_runs(name, inside, canary):
    attack = calls(canary)[name]
    if inside == "in a model":
        model = LinearRegression().fit(X, Y)
        model.coef_ = attack
        content = written(model, "joblib")
    elif inside == "in an object array":
        content = written(np.array([attack, 1], dtype=object), "joblib")
    else:
        content = pickle.dumps(attack)

    assert "names the global" in refusal(content)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sklearn.tree._classes", "np.sys.modules"),
        ("sklearn.pipeline", "Pipeline.__init__.__globals__"),
        ("sklearn", "pipeline.Pipeline"),
        ("numpy", "load"),
        ("sklearn.externals", "anything"),
    ],
)
def test_dotted_and_similar_names_are_refused(module, name):
    opcodes = pickle.PROTO + b"\x04"
    for text in (module, name):
        opcodes += pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode()

    assert "names the global" in refusal(opcodes + pickle.STACK_GLOBAL + pickle.STOP)


@pytest.mark.parametrize(
    "attack",
    [
        Call(np.ndarray, (1,), np.dtype(object), b"\x01" * 8),
        Call(np.ndarray, (1,), np.dtype([("a", "O")])),
    ],
)
def test_an_array_laid_over_bytes_is_refused(attack):
    """Its elements would be pointers that the file has chosen."""
    assert refusal(pickle.dumps(attack)).endswith("not allowed.")


class ForgedType:
    """Pickles to a dtype whose state is of the file's making."""

    def __init__(self, name, state):
        self.name, self.state = name, state

    def __reduce__(self):
        return np.dtype, (self.name, False, True), self.state


@pytest.mark.parametrize(
    ("name", "state", "said"),
    [
        ("V8", (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0), "record type"),
        ("V8", (3, "|", None, ("a",), {"a": (np.dtype("f8"), 4096)}, 8, 1, 0), "record type"),
        ("O", (3, "|", None, None, None, -1, -1, 0), "forged type of object arrays"),
    ],
    ids=["objects denied", "field outside", "flags dropped"],
)
def test_a_forged_dtype_is_refused(name, state, said):
    assert said in refusal(pickle.dumps(ForgedType(name, state)))


def test_setting_the_state_of_a_tree_twice_is_refused():
    tree = MODELS["tree"].tree_
    function, arguments, state = tree.__reduce__()
    larger = RandomForestRegressor(1).fit(X, Y).estimators_[0].tree_.__reduce__()[2]
    file = io.BytesIO()
    pickler = pickle._Pickler(file, protocol=4)
    file.write(pickle.PROTO + b"\x04")
    pickler.save_reduce(function, arguments, state)
    pickler.save(larger)
    file.write(pickle.BUILD + pickle.STOP)

    assert "sets the state of a tree twice" in refusal(file.getvalue())


def test_bytes_after_the_pickle_are_refused():
    content = written(MODELS["linear"], "joblib")

    assert "has bytes after" in refusal(content + b"x")
    assert "has bytes after" in refusal(content + content)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress])
def test_trailing_and_truncated_compressed_data_is_refused(pack):
    packed = pack(written(MODELS["forest"], "joblib"))

    assert read(packed).n_estimators == 5
    refusal(packed + b"x")
    refusal(packed + packed)
    refusal(packed[:-5])
    refusal(packed[: len(packed) // 2])
    refusal(pack(written(MODELS["linear"], "joblib") + b"x"))


@both
@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.9, 0.999])
def test_a_truncated_artifact_is_refused(format_, share):
    content = written(MODELS["shop-forest"], format_)

    refusal(content[: int(len(content) * share)], format_)


@both
@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04", b"\x80\x04.", b"\x1f\x8b\x08"])
def test_bytes_of_no_known_format_are_refused(format_, content):
    refusal(content, format_)


def test_a_file_of_one_format_is_refused_as_another():
    refusal(written(MODELS["linear"], "skops"), "joblib")
    refusal(written(MODELS["linear"], "joblib"), "skops")


def with_schema(content, change):
    """The skops file with its schema changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry == "schema.json":
                data = json.dumps(change(json.loads(data)))
            new.writestr(entry, data)
    return out.getvalue()


def shout(rows):
    return rows


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(CountVectorizer(input="filename"), LinearRegression()),
        make_pipeline(FunctionTransformer(shout), LinearRegression()),
        make_pipeline(FunctionTransformer(os.system), LinearRegression()),
        make_pipeline(FunctionTransformer(np.cumsum), LinearRegression()),
        make_pipeline(FunctionTransformer(str.upper), LinearRegression()),
        DBSCAN(),
        object,
        [1, 2],
        "text",
    ],
    ids=lambda model: type(model).__name__,
)
@both
def test_unlisted_types_and_objects_that_do_not_predict_are_refused(model, format_):
    refusal(written(model, format_), format_)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("__loader__", "FunctionNode"),
        ("__loader__", "MethodNode"),
        ("__loader__", "OperatorFuncNode"),
        ("__loader__", None),
        ("__module__", "os"),
        ("__class__", "Popen"),
    ],
)
def test_a_skops_node_with_another_loader_is_refused(key, value):
    content = written(MODELS["linear"], "skops")

    assert "not allowed" in refusal(
        with_schema(content, lambda schema: {**schema, key: value}), "skops"
    )


@pytest.mark.parametrize("schema", [{}, [], None, 5, {"__class__": 1}, {"__loader__": "DictNode"}])
def test_a_meaningless_skops_schema_is_refused(schema):
    refusal(with_schema(written(MODELS["linear"], "skops"), lambda _: schema), "skops")


def test_a_cache_on_disk_is_refused(tmp_path):
    model = Pipeline([("s", StandardScaler()), ("l", LinearRegression())]).fit(X, Y)
    model.memory = str(tmp_path / "canary")

    assert "memory=" in refusal(written(model, "joblib"))
    assert "memory=" in refusal(written(model, "skops"), "skops")


def hiding(estimator, **attributes):
    """The estimator in a fitted pipeline, with attributes that its class knows nothing of."""
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    vars(estimator).update(attributes)
    model.steps.insert(1, ("hiding", estimator))
    return model


@both
@pytest.mark.parametrize(
    ("estimator", "attributes"),
    [
        (FunctionTransformer(), {"func": np.ndarray, "get_params": Bunch, "kw_args": {}}),
        (FunctionTransformer(), {"get_params": Bunch}),
        (FunctionTransformer(), {"transform": Bunch}),
        (StandardScaler(), {"transform": 1}),
        (StandardScaler(), {"_repr_html_": "a property"}),
        (StandardScaler(), {"__sklearn_tags__": 1}),
        (StandardScaler(), {"__anything__": 1}),
    ],
)
def test_an_attribute_that_shadows_one_of_the_class_is_refused(estimator, attributes, format_):
    model = hiding(clone(estimator), **attributes)

    assert "not allowed" in refusal(written(model, format_), format_)


@both
@pytest.mark.parametrize(
    "value",
    [
        Bunch,
        [Bunch],
        (1, {"a": np.float64}),
        {"dtype": Bunch},
        np.array([None, Bunch], dtype=object),
        Bunch(dtype=np.float64),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_class_as_a_value_is_refused_anywhere(value, format_):
    model = hiding(StandardScaler(), note_=value)

    said = refusal(written(model, format_), format_)
    # skops has a way of its own to write a class, which is known before anything is made.
    assert "as a value: not allowed" in said or "with 'TypeNode': not allowed" in said


@both
def test_function_transformers_may_not_call_functions_and_encoders_may_name_number_types(format_):
    encoder = make_pipeline(OneHotEncoder(dtype=np.float64), LinearRegression()).fit(X, Y)
    plain = make_pipeline(FunctionTransformer(), LinearRegression()).fit(X, Y)

    for parameters in ({"func": np.float64}, {"inverse_func": np.float64}):
        model = hiding(FunctionTransformer(**parameters))
        assert "as a value: not allowed" in refusal(written(model, format_), format_)
    for parameters in ({"func": "text"}, {"inverse_func": "text"}):
        model = hiding(FunctionTransformer(**parameters))
        assert "calls a function" in refusal(written(model, format_), format_)
    for model in (encoder, plain):
        again = read(written(model, format_), format_)
        assert np.array_equal(again.predict(X), model.predict(X))


STATES = {
    "of joblib's class": (NumpyArrayWrapper, (None, {"marker": slice})),
    "of a model's class": (LinearRegression, (None, {"marker": 1})),
    "beside its attributes": (LinearRegression(), ({}, {"marker": 1})),
    "that python looks up": (LinearRegression(), {"__setstate__": slice}),
    "that is no name": (LinearRegression(), {1: 2}),
}


@pytest.mark.parametrize("state", list(STATES))
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in an object array"])
def test_setting_the_state_of_a_shared_object_is_refused(state, inside):
    target, given = STATES[state]
    content = program(MODELS["linear"], target, given, pickle.BUILD, pickle.POP)
    try:
        said = refusal(in_an_array(content) if inside else content)
        assert not hasattr(target, "marker")
        assert "artifact sets" in said
    finally:
        for poisoned in (NumpyArrayWrapper, LinearRegression):
            if "marker" in vars(poisoned):
                del poisoned.marker


def test_an_array_laid_over_bytes_inside_an_object_array_is_refused():
    attack = Call(np.ndarray, (1,), np.dtype(object), b"\x01" * 8)

    assert "calls numpy.ndarray" in refusal(in_an_array(pickle.dumps(attack)))


@pytest.mark.parametrize(
    "fill",
    [
        (1, pickle.APPEND),
        (pickle.MARK, 1, 2, pickle.APPENDS),
        ("a", 2, pickle.SETITEM),
        (pickle.MARK, "a", 2, pickle.SETITEMS),
        (pickle.MARK, 1, pickle.ADDITEMS),
    ],
    ids=["append", "appends", "setitem", "setitems", "additems"],
)
def test_a_model_with_collection_items_is_refused(fill):
    """Python would call its ``append``, ``extend`` or ``add``: a class of the file's choice."""
    model = LinearRegression()
    vars(model).update(append=slice, extend=slice, add=slice)

    assert "is not a collection" in refusal(program(model, *fill))


@pytest.mark.parametrize(
    "change",
    [{"read": slice}, {"dtype": Bunch(hasobject=False)}, {"subclass": Bunch}, {"shape": 1}],
)
def test_a_forged_description_of_an_array_is_refused(change):
    wrapper = NumpyArrayWrapper(np.ndarray, (1,), "C", np.dtype("f8"))
    vars(wrapper).update(change)

    assert "invalid description of an array" in refusal(program(wrapper))


@both
@pytest.mark.parametrize(
    ("damage", "where"), each_once(TREE_DAMAGE, ["alone", "in a forest", "in a pipeline"])
)
def test_a_malformed_tree_is_refused_anywhere(damage, where, format_):
    tree = DecisionTreeRegressor(max_depth=4).fit(X, Y)
    tree.tree_ = spoilt(TREE_DAMAGE[damage], tree.tree_)
    model = tree
    if where == "in a pipeline":
        model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
        model.steps[1] = ("tree", tree)
    elif where == "in a forest":
        model = RandomForestRegressor(3, random_state=0).fit(X, Y)
        model.estimators_[2] = tree

    assert refusal(written(model, format_), format_).startswith("A tree")


TREES_BEFORE_THEY_ARE_MADE = {
    "a tree whose nodes have no length": "does not have a list of nodes and their values",
    "a tree whose nodes have two lengths": "does not have a list of nodes and their values",
    "a tree whose values have no length": "does not have a list of nodes and their values",
    "a tree whose nodes are a list": "does not have a list of nodes and their values",
    "a tree made with arguments that are described in two ways": "different descriptions",
    "a tree filled with a state that is described in two ways": "different descriptions",
}


@pytest.mark.parametrize(
    "attack",
    [each for each in ATTACKS if each.name in TREES_BEFORE_THEY_ARE_MADE],
    ids=str,
)
def test_constructor_arguments_of_trees_are_checked_before_scikit_learn_reads_them(
    attack, tmp_path
):
    with canary_in(tmp_path / "canary") as canary:
        content = attack.make(canary)

    with pytest.raises(ArtifactRefused, match=TREES_BEFORE_THEY_ARE_MADE[attack.name]):
        read_model(io.BytesIO(content), attack.format)


@both
def test_a_tree_of_another_width_in_an_ensemble_is_refused(format_):
    wide = DecisionTreeRegressor(max_depth=2).fit(np.hstack([X, X]), Y)
    forest = RandomForestRegressor(3, random_state=0).fit(X, Y)
    forest.estimators_[1] = wide
    boosted = GradientBoostingRegressor(n_estimators=3).fit(X, Y)
    boosted.estimators_[1, 0] = wide

    assert "has 6 features" in refusal(written(forest, format_), format_)
    assert "has 6 features" in refusal(written(boosted, format_), format_)


@both
def test_more_boosted_trees_per_round_than_outputs_are_refused(format_):
    """scikit-learn would write them beyond the end of the answers."""
    boosted = GradientBoostingRegressor(n_estimators=3).fit(X, Y)
    boosted.estimators_ = np.hstack([boosted.estimators_] * 3)

    assert "3 trees in each round" in refusal(written(boosted, format_), format_)


def test_deep_nesting_is_refused():
    depth = sys.getrecursionlimit() * 50
    refusal(pickle.PROTO + b"\x04" + pickle.EMPTY_LIST * depth + pickle.APPEND * (depth - 1) + b".")
    nested = "[" * depth + "]" * depth
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("schema.json", nested)
    refusal(out.getvalue(), "skops")


def test_the_format_is_declared_or_taken_from_the_extension():
    named = [format_of_filename(name) for name in ("m.skops", "M.JOBLIB", "m.onnx", "m.pkl")]
    assert named == ["skops", "joblib", "onnx", "joblib"]
    assert parse_format("skops") == "skops"


@pytest.mark.parametrize("filename", ["model", "model.h5", "skops", ".skops.txt"])
def test_an_unknown_extension_is_refused(filename):
    with pytest.raises(FormatUnsupported):
        format_of_filename(filename)


@pytest.mark.parametrize("said", ["", "pickle", "SKOPS", "ONNX"])
def test_an_unknown_format_is_refused(said):
    with pytest.raises(FormatUnsupported):
        parse_format(said)


def nested(levels):
    model = LinearRegression()
    for _ in range(levels):
        model = Pipeline([("step", model)])
    return model


def doubled(times):
    """A union that holds the same scaler 2 to the power of ``times`` times over."""
    union = StandardScaler()
    for _ in range(times):
        union = FeatureUnion([("a", union), ("b", union)])
    return make_pipeline(union, LinearRegression())


@pytest.mark.parametrize(
    ("model", "why"),
    [(nested(60), "more than 20 levels"), (doubled(12), "paths lead"), (doubled(60), "levels")],
    ids=["nested", "doubled", "doubled-and-nested"],
)
def test_estimators_that_share_too_many_parts_are_refused(model, why):
    stored = io.BytesIO()
    joblib.dump(model, stored)
    began = time.monotonic()

    assert why in refusal(stored.getvalue())
    assert time.monotonic() - began < 30


def test_a_list_that_contains_itself_is_refused():
    model = LinearRegression().fit(X, Y)
    model.kept = []
    model.kept.append(model.kept)
    stored = io.BytesIO()
    joblib.dump(model, stored)

    assert "contains itself" in refusal(stored.getvalue())


def test_ensembles_of_ensembles_are_accepted():
    forests = [(str(n), RandomForestRegressor(50, max_depth=1)) for n in range(3)]
    model = VotingRegressor([*forests, ("more", VotingRegressor(forests))]).fit(X, Y)
    stored = io.BytesIO()
    joblib.dump(model, stored)

    assert read(stored.getvalue()).predict(X).tolist() == model.predict(X).tolist()


def pipeline_of(step):
    return make_pipeline(StandardScaler(), step, LinearRegression())


class Own(StandardScaler):
    """Somebody's own transformer."""


REFUSALS = {
    "a function": (pipeline_of(FunctionTransformer(shout)), "'functiontransformer', 'func'"),
    "a class of one's own": (pipeline_of(Own()), "(step 2 'own')"),
    "an estimator of scikit-learn": (pipeline_of(Isomap()), "(step 2 'isomap')"),
    "one in a vote": (
        VotingRegressor([("a", Ridge()), ("b", pipeline_of(NMF()))]),
        "(estimator 2 'b',",
    ),
    "one in columns": (
        make_pipeline(ColumnTransformer([("x", Isomap(), [0])]), Ridge()),
        "(step 1 'columntransformer', transformer 1 'x')",
    ),
}


@both
@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_names_the_class_its_place_and_a_way_out(name, format_):
    model, place = REFUSALS[name]

    said = refusal(written(model, format_), format_)

    assert place in said
    assert "upload the .onnx file" in said


def test_a_refusal_of_a_value_names_its_place():
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y)
    model[0].note_ = [1, {"a": Bunch}]

    assert "(step 1 'standardscaler', 'note_[1]')" in refusal(written(model, "joblib"))


@both
@pytest.mark.parametrize("function", ["log1p", "sqrt", "absolute"])
def test_a_function_of_numpy_by_its_exact_name_is_called(function, format_):
    step = FunctionTransformer(getattr(np, function))
    model = make_pipeline(step, LinearRegression()).fit(np.abs(X), Y)

    again = read(written(model, format_), format_)

    assert np.array_equal(again.predict(np.abs(X)), model.predict(np.abs(X)))


@pytest.mark.parametrize("function", [np.add, np.load, np.cumsum, np.vectorize])
def test_other_functions_of_numpy_are_refused_with_those_that_are_allowed(function):
    said = refusal(written(pipeline_of(FunctionTransformer(function)), "joblib"))

    assert "log1p" in said
