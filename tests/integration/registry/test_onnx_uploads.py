"""Uploaded ONNX files: their metadata is read, and they are served unchanged."""

import io

import numpy as np
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import LocalOutlierFactor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC, OneClassSVM

from registry.blobs.local import LocalBlobStore
from registry.codecs.batch import build_batch
from registry.engines.loading import loader
from registry.engines.model_process import ModelProcess
from registry.engines.onnx_runtime import open_session
from registry.engines.process_memory import ProcessMemory
from registry.engines.served_version import ServedVersion
from registry.errors import ArtifactRefused, MetadataRefused, PredictionRefused
from registry.intake.inspector import Inspector
from registry.signature import Signature
from tests.attacks.onnx_graphs import AXES, ML, SUM, model, node, plain, trees
from tests.integration.registry.models import FRAME, LABELS, MODELS, X, Y
from tests.integration.registry.onnx_exports import exported
from tests.marks import left_to_slow


def columns():
    """Numbers and a text, each column by itself."""
    return ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "rate"]),
            ("text", OneHotEncoder(handle_unknown="ignore"), ["city"]),
        ]
    )


TRAINED = {
    **{
        name: MODELS[name]
        for name in (
            *("linear", "ridge", "logistic", "tree", "tree-classes", "forest", "extra"),
            *("boosted", "boosted-classes", "bayes", "network"),
        )
    },
    "network-classes": MLPClassifier((8,), max_iter=900, tol=0.1, random_state=0).fit(X, LABELS),
    "columns": make_pipeline(columns(), LinearRegression()).fit(FRAME, Y),
    "columns-classes": make_pipeline(columns(), RandomForestClassifier(5)).fit(FRAME, LABELS),
}


NAMES = [
    name if name in {"linear", "tree-classes", "network", "columns-classes"} else left_to_slow(name)
    for name in TRAINED
]


@pytest.fixture
def look(spawner, tmp_path):
    """Gives a file to the intake."""
    inspector = Inspector(spawner=spawner)

    def look(content, inspector=inspector, **declared):
        path = tmp_path / "model.onnx"
        path.write_bytes(written(content))
        return inspector.inspect(path, "onnx", declared)

    return look


@pytest.fixture
def serve(spawner):
    """Starts the process that answers for a file."""

    def serve(content, signature, example=None):
        return ModelProcess(
            spawner, lambda: io.BytesIO(written(content)), "onnx", signature, example
        )

    return serve


def written(content):
    return content if isinstance(content, bytes) else content.SerializeToString()


def batch_of(signature, *columns):
    return build_batch(list(columns), signature, lambda row, column: "")


def rows_of(estimator):
    frame = FRAME.dropna() if hasattr(estimator, "feature_names_in_") else None
    return X.astype(np.float32) if frame is None else frame


@pytest.mark.parametrize(
    "zipmap",
    [pytest.param(False, id="tensor"), pytest.param(True, id="zipmap", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", NAMES)
def test_an_exported_model_predicts_as_scikit_learn_does(name, zipmap, look, serve):
    estimator = TRAINED[name]
    content = exported(estimator, zipmap=zipmap)

    _, signature = look(content)
    predictor = serve(content, signature)

    rows = rows_of(estimator)
    batch = batch_of(signature, *[list(column) for column in np.asarray(rows, dtype=object).T])
    answers = predictor.predict(batch, probabilities=predictor.has_probabilities)
    expected = estimator.predict(rows)
    if signature.task == "regression":
        assert np.allclose(answers.values, expected, rtol=1e-4, atol=1e-4)
    else:
        assert answers.values == expected.tolist()
        assert np.allclose(answers.probabilities, estimator.predict_proba(rows), atol=1e-5)


def test_the_engine_states_that_the_file_is_served_unchanged(look):
    inspection, _ = look(plain())

    assert inspection.kind == "other"
    assert inspection.engine["name"] == "onnxruntime"
    assert "in a confined process" in inspection.engine["reason"]
    assert inspection.compiled == {}


def test_columns_types_and_classes_are_read_from_the_graph(look):
    content = exported(TRAINED["columns-classes"])

    inspection, signature = look(content)

    opset = max(entry.version for entry in content.opset_import if not entry.domain)
    assert [(c.name, c.type) for c in signature.inputs] == [
        ("age", "number"),
        ("rate", "number"),
        ("city", "string"),
    ]
    assert signature.output.classes == ("high", "low")
    assert inspection.task == "classification"
    assert inspection.environment["onnx-opset"] == str(opset)


def test_an_unknown_text_is_not_a_category(look, serve):
    estimator = TRAINED["columns"]
    content = exported(estimator)
    _, signature = look(content)

    (answer,) = (
        serve(content, signature).predict(batch_of(signature, [33.0], [0.5], ["Atlantis"])).values
    )

    frame = FRAME.head(1).assign(age=33.0, rate=0.5, city="Atlantis")
    assert answer == pytest.approx(estimator.predict(frame)[0], rel=1e-5)


def says(*inputs, **output):
    return {
        "inputs": [
            dict(zip(("name", "type", "nullable"), column, strict=False)) for column in inputs
        ],
        "output": {"name": "y", "type": "number", **output},
    }


THREE = (("a", "number"), ("b", "integer"), ("c", "number", True))


def test_a_matching_signature_names_the_columns_of_one_tensor(look):
    _, signature = look(plain(), signature=says(*THREE))
    _, unnamed = look(plain())

    assert (signature.names, signature.inputs[2].nullable) == (("a", "b", "c"), True)
    assert (unnamed.names, signature.output.name) == (("x0", "x1", "x2"), "y")


def test_the_signature_gives_the_number_of_columns_if_the_graph_does_not(look):
    opened = model(node("Relu", "x", "r"), node("ReduceSum", "r axes"), constants=AXES)
    opened.graph.input[0].type.tensor_type.shape.dim[1].ClearField("value")

    assert look(opened, signature=says(*THREE))[1].names == ("a", "b", "c")
    with pytest.raises(ArtifactRefused, match="signature is required"):
        look(opened)


@pytest.mark.parametrize(
    ("content", "declared", "at"),
    [
        (plain(), says(("a", "number")), "signature.inputs"),
        (plain(), says(("a", "string"), *THREE[1:]), "signature.inputs[0].type"),
        (plain(), says(*THREE, type="string"), "signature.output.type"),
        (trees(), says(*THREE, type="number", classes=[0, 1]), "signature.output.type"),
        (trees(), says(*THREE, type="integer", classes=[0, 5]), "signature.output.classes"),
        (trees(), says(*THREE, type="integer", classes=[0, 1, 1]), "signature.output.classes"),
    ],
)
def test_declared_metadata_must_match_the_graph(content, declared, at, look):
    with pytest.raises(MetadataRefused) as refused:
        look(content, signature=declared)

    assert at in [fault.at for fault in refused.value.faults]


def test_the_order_of_classes_may_be_declared(look):
    _, signature = look(trees(), signature=says(*THREE, type="integer", classes=[1, 0]))

    assert signature.output.classes == (1, 0)


def test_scores_that_are_not_probabilities_are_not_served_as_such(look, serve):
    content = trees(class_weights=[7.0, 3.0])
    _, signature = look(content)

    assert signature.output.classes == (0, 1)
    assert not serve(content, signature).has_probabilities


def test_rows_whose_prediction_is_not_a_number_are_refused(look, serve):
    content = model(SUM, node("Log", "y", "z"), constants=AXES, outputs=("z",))
    _, signature = look(content)

    with pytest.raises(PredictionRefused, match="not a finite number"):
        serve(content, signature).predict(batch_of(signature, [-1.0], [-1.0], [-1.0]))


def test_a_number_outside_the_type_of_the_graph_is_refused(look, serve):
    floats = model(SUM, constants=AXES)
    _, signature = look(floats)
    with pytest.raises(PredictionRefused, match="beyond float32"):
        serve(floats, signature).predict(batch_of(signature, [1e39], [0.0], [0.0]))

    whole = model(
        SUM,
        node("Cast", "y", "z", to=TensorProto.FLOAT),
        constants=AXES,
        outputs=("z",),
        kind=TensorProto.INT64,
    )
    _, signature = look(whole)
    with pytest.raises(PredictionRefused, match="beyond int64"):
        serve(whole, signature).predict(batch_of(signature, [1e19], [0.0], [0.0]))


def test_the_example_may_be_the_only_accepted_row(look, serve):
    """A file is asked for it at the intake, and each time its process starts."""
    table = {"table": np.arange(10, dtype=np.float32), "ninety": np.array([[-90]]), **AXES}
    content = model(
        node("Cast", "x", "i", to=TensorProto.INT64),
        node("Add", "i ninety", "at"),
        node("Gather", "table at", "g"),
        node("ReduceSum", "g axes"),
        constants=table,
    )
    example = {"x0": 91, "x1": 92, "x2": 93}

    with pytest.raises(ArtifactRefused, match="fails on a row made from its signature"):
        look(content)
    _, signature = look(content, input_example=example)

    predictor = serve(content, signature, example)
    assert predictor.predict(batch_of(signature, [94.0], [94.0], [94.0])).values == [12.0]


def test_integers_booleans_and_texts_are_separate_inputs(look, serve):
    graph = model(
        node("Cast", "flag", "f", to=TensorProto.FLOAT),
        node("Cast", "count", "c", to=TensorProto.FLOAT),
        node("OneHotEncoder", "kind", "k3", domain=ML, cats_strings=["a", "b"]),
        node("Flatten", "k3", "k", axis=1),
        node("Concat", "f c k", "all", axis=1),
        node("MatMul", "all w"),
        constants={"w": np.array([[100], [1], [10], [20]], np.float32)},
        inputs={"flag": [None, 1], "count": [None, 1], "kind": [None, 1]},
    )
    kinds = (TensorProto.BOOL, TensorProto.INT64, TensorProto.STRING)
    for given, kind in zip(graph.graph.input, kinds, strict=True):
        given.type.tensor_type.elem_type = kind

    _, signature = look(graph)

    answers = serve(graph, signature).predict(
        batch_of(signature, [True, False, True], [3, 4, 5], ["b", "a", "?"])
    )
    assert [column.type for column in signature.inputs] == ["boolean", "integer", "string"]
    assert answers.values == [123.0, 14.0, 105.0]


def own_answers(content, feed):
    """What onnxruntime itself answers."""
    return open_session(written(content), keep_memory=True).run(None, feed)


def test_support_vector_machines_predict_as_onnxruntime_does(look, serve):
    content = exported(SVC(random_state=0).fit(X, LABELS))
    assert "SVMClassifier" in {each.op_type for each in content.graph.node}
    labels, _ = own_answers(content, {"X": X.astype(np.float32)})

    _, signature = look(content)

    predictor = serve(content, signature)
    assert signature.output.classes == ("high", "low")
    assert predictor.predict(batch_of(signature, *X.T.tolist())).values == labels.tolist()
    assert not predictor.has_probabilities, "its scores are distances"


def test_a_scan_over_the_columns_predicts_as_onnxruntime_does(look, serve):
    body = helper.make_graph(
        [node("Add", "s e", "t"), node("Mul", "t e", "u")],
        "body",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in "se"],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None]) for name in "tu"],
    )
    content = model(
        node("ReduceSum", "x axes", "zero_like", keepdims=0),
        node("Mul", "zero_like nothing", "zero"),
        node("Scan", "zero x", "last each", body=body, num_scan_inputs=1, scan_input_axes=[1]),
        node("ReduceSum", "each first", "y", keepdims=0),
        constants={**AXES, "nothing": np.zeros(1, np.float32), "first": np.array([0])},
    )
    (expected,) = own_answers(content, {"x": X.astype(np.float32)})

    _, signature = look(content)

    answers = serve(content, signature).predict(batch_of(signature, *X.T.tolist()))
    assert answers.values == expected.astype(np.float64).tolist()


def test_text_operators_predict_as_onnx_runtime_does(look, serve):
    """How often the word good is in a text."""
    words = {"mark": 0, "mincharnum": 1, "pad_value": "#", "separators": [" "]}
    content = model(
        node("Tokenizer", "x", "words", domain="com.microsoft", **words),
        node("Equal", "words good", "is"),
        node("Cast", "is", "one", to=TensorProto.FLOAT),
        node("ReduceSum", "one axes", "y", keepdims=0),
        constants={"good": np.array(["good"], dtype=object), "axes": np.array([-1])},
        inputs={"x": [None, 1]},
        kind=TensorProto.STRING,
        imports=(("com.microsoft", 1),),
        opset=19,
    )
    texts = ["a good dog", "good good", "cat"]
    (expected,) = own_answers(content, {"x": np.array([[text] for text in texts], dtype=object)})

    _, signature = look(content)

    answers = serve(content, signature).predict(batch_of(signature, texts))
    assert answers.values == expected.ravel().tolist() == [1.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("estimator", "labels"),
    [
        (KMeans(3, n_init=1, random_state=0), (0, 1, 2)),
        (OneClassSVM(), (-1, 0, 1)),
        (LocalOutlierFactor(novelty=True), (-1, 1)),
    ],
    ids=["clusters", "sign", "comparison"],
)
def test_labels_that_a_graph_computes_are_found(estimator, labels, look, serve):
    """ONNX's Sign may return 0 too."""
    content = exported(estimator.fit(X))

    _, signature = look(content)

    predictor = serve(content, signature)
    assert signature.output.classes == labels
    assert predictor.predict(batch_of(signature, *X.T.tolist())).values == (
        estimator.predict(X).tolist()
    )
    assert not predictor.has_probabilities


def test_fewer_labels_than_a_graph_can_compute_may_be_declared(look, serve):
    estimator = OneClassSVM().fit(X)
    content = exported(estimator)
    columns = [(name, "number") for name in "abc"]

    _, signature = look(content, signature=says(*columns, type="integer", classes=[1, -1]))

    answers = serve(content, signature).predict(batch_of(signature, *X.T.tolist()))
    assert signature.output.classes == (1, -1)
    assert answers.values == estimator.predict(X).tolist()


def test_labels_that_the_graph_does_not_name_have_to_be_declared(look):
    content = model(
        SUM,
        node("Mod", "y ten", "m", fmod=1),
        node("Cast", "m", "z", to=TensorProto.INT64, name="digit"),
        constants={**AXES, "ten": np.array([10], np.float32)},
        outputs=("z",),
        out=TensorProto.INT64,
    )

    with pytest.raises(ArtifactRefused, match=r"which 'Mod' .* computes: declare them"):
        look(content)
    digits = list(range(-9, 10))
    columns = [(name, "number") for name in "abc"]
    _, signature = look(content, signature=says(*columns, type="integer", classes=digits))

    assert signature.output.classes == tuple(digits)


def test_the_labels_of_several_classifiers_are_a_list_for_each_row(look, serve):
    both = np.column_stack([LABELS, np.where(X[:, 0] > 0, "up", "down")])
    estimator = MultiOutputClassifier(RandomForestClassifier(3, random_state=0)).fit(X, both)
    content = exported(estimator)

    _, signature = look(content)

    answers = serve(content, signature).predict(batch_of(signature, *X.T.tolist()))
    assert signature.output.classes == ("down", "high", "low", "up")
    assert answers.values == estimator.predict(X).tolist()


def test_a_graph_that_returns_more_numbers_than_it_states_is_served_with_all(look, serve):
    """skl2onnx states one column for a forest of several numbers."""
    estimator = RandomForestRegressor(3, random_state=0).fit(X, np.column_stack([Y, -Y]))
    content = exported(estimator)
    assert content.graph.output[0].type.tensor_type.shape.dim[1].dim_value == 1

    _, signature = look(content)

    answers = serve(content, signature).predict(batch_of(signature, *X.T.tolist()))
    assert signature.output.size == 2
    assert np.allclose(answers.values, estimator.predict(X), rtol=1e-5, atol=1e-5)


def test_texts_are_lowered_without_a_locale_of_the_system(look, serve):
    """ONNX Runtime loads en_US.UTF-8, which few containers have."""
    texts = ["GOOD Ärger", "bad day", "good day", "Bad ÄRGER"]
    estimator = make_pipeline(TfidfVectorizer(token_pattern="[a-zä]+"), LogisticRegression()).fit(
        texts, ["yes", "no", "yes", "no"]
    )
    content = to_onnx(estimator, np.array([[texts[0]]], dtype=object))

    _, signature = look(content)

    predictor = serve(content, signature)
    answers = predictor.predict(batch_of(signature, texts), probabilities=True)
    assert np.allclose(answers.probabilities, estimator.predict_proba(texts), atol=1e-6)


def test_a_map_of_double_probabilities_is_refused_with_a_way_out(look):
    """skl2onnx writes it for inputs of float64, and ONNX Runtime has no such operator."""
    estimator = TRAINED["logistic"]
    with pytest.raises(ArtifactRefused, match=r"node \(ZipMap\).*float32 inputs.*'zipmap': False"):
        look(to_onnx(estimator, X[:1].astype(np.float64)))

    _, signature = look(to_onnx(estimator, X[:1].astype(np.float64), options={"zipmap": False}))
    assert signature.output.classes == (0, 1, 2)


def later(**versions):
    """A valid file of later versions than there are."""
    made = plain()
    made.ir_version = versions.get("ir", made.ir_version)
    made.opset_import[0].version = versions.get("opset", made.opset_import[0].version)
    return made


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (later(ir=99), r"load: Unsupported model IR version: 99.*Set the ir_version"),
        (later(opset=99), r"load: ONNX Runtime only .* opset.*a lower target_opset"),
        (model(node("Nonsense", "x")), "No Op registered for Nonsense.*another target_opset"),
        (
            model(
                node("LinearRegressor", "x", name="weighing", domain=ML, coefficients=[1.0] * 3),
                kind=TensorProto.DOUBLE,
            ),
            r"LinearRegressor\(1\) node with name 'weighing'\. .*with float32 inputs",
        ),
        (
            model(node("Sin", "x", name="wave"), kind=TensorProto.INT32, out=TensorProto.INT32),
            r"operator \(Sin\) in node \(wave\).*inputs of a type that the operator takes",
        ),
    ],
    ids=["version", "opset", "operator", "implementation", "type"],
)
def test_a_file_that_onnx_runtime_does_not_load_is_refused_with_a_way_out(content, said, look):
    with pytest.raises(ArtifactRefused, match=said) as refused:
        look(content)

    assert "onnxruntime_src" not in refused.value.detail


MEGABYTE = 2**20
BLOAT = 128
"""MiB that ``bloated`` holds in its process."""


def bloated():
    """A file of some 300 bytes whose constant takes ``BLOAT`` MiB once it is loaded."""
    return model(
        node("ConstantOfShape", "size", "table"),
        node("ReduceSum", "x axes", "sum"),
        node("Cast", "sum", "at0", to=TensorProto.INT64),
        node("Mul", "at0 nought", "at"),
        node("Gather", "table at", "cell"),
        node("Add", "sum cell"),
        constants={**AXES, "size": np.array([BLOAT * MEGABYTE // 4]), "nought": np.array(0)},
    )


def test_a_small_file_that_uses_too_much_memory_is_refused(spawner, look):
    memory = ProcessMemory(each=BLOAT // 2 * MEGABYTE)
    assert len(written(bloated())) < 400

    with pytest.raises(ArtifactRefused, match=r"MiB.*at most 64 are.*HOTSWAP_MODEL_PROCESS_MB"):
        look(bloated(), Inspector(spawner=spawner, memory=memory))

    _, signature = look(plain(), Inspector(spawner=spawner, memory=memory))
    assert signature.names == ("x0", "x1", "x2")


def test_an_idle_process_is_ended_for_another_and_restarted_on_demand(spawner, look):
    memory = ProcessMemory(together=BLOAT * 3 // 2 * MEGABYTE)
    _, signature = look(bloated())
    content = written(bloated())
    row = batch_of(signature, [1.0], [2.0], [3.0])

    def load():
        return ModelProcess(spawner, lambda: io.BytesIO(content), "onnx", signature, memory=memory)

    first = load()
    assert first.is_running
    second = load()

    assert (first.is_running, second.is_running) == (False, True)
    assert first.predict(row).values == [6.0]
    assert (first.is_running, second.is_running) == (True, False)
    assert second.predict(row).values == [6.0]


def test_a_process_above_its_memory_limit_is_replaced(spawner, look):
    """Its limit is lowered to what the process already exceeds."""
    memory = ProcessMemory()
    _, signature = look(bloated())
    content = written(bloated())
    process = ModelProcess(spawner, lambda: io.BytesIO(content), "onnx", signature, memory=memory)
    row = batch_of(signature, [1.0], [2.0], [3.0])

    memory.each = BLOAT // 2 * MEGABYTE

    assert process.predict(row).values == [6.0]
    assert not process.is_running
    memory.each = 2 * BLOAT * MEGABYTE
    assert process.predict(row).values == [6.0]
    assert process.is_running


class MeasuredMemory(ProcessMemory):
    """Keeps what was last measured."""

    def count(self, process, held):
        self.held = held
        super().count(process, held)


def test_the_memory_of_a_large_batch_is_returned(spawner, look):
    memory = MeasuredMemory()
    _, signature = look(plain())
    content = written(plain())
    process = ModelProcess(spawner, lambda: io.BytesIO(content), "onnx", signature, memory=memory)
    loaded = memory.held
    rows = 200_000

    process.predict(batch_of(signature, *[[1.0] * rows] * 3))

    assert loaded > 0
    assert memory.held - loaded < 2 * rows * 3 * 8, "twice the bytes of the batch"


def test_labels_that_the_graph_does_not_name_must_be_declared(look, serve):
    content = model(
        node("Cast", "x", "i", to=TensorProto.INT64),
        node("ReduceMax", "i axes", "y", keepdims=0),
        constants=AXES,
        out=TensorProto.INT64,
    )

    with pytest.raises(ArtifactRefused, match=r"declare them.*signature\.output\.classes"):
        look(content)
    said = says(*THREE[:2], ("c", "number"), type="integer", classes=list(range(10)))
    _, signature = look(content, signature=said)

    predictor = serve(content, signature)
    assert predictor.predict(batch_of(signature, [3.0], [1], [0.0])).values == [3]
    with pytest.raises(PredictionRefused, match="not in its classes"):
        predictor.predict(batch_of(signature, [99.0], [1], [0.0]))


def test_a_version_rewritten_by_an_older_release_is_served_from_its_upload(spawner, tmp_path):
    """As releases before this one did, which kept a compiled form of an uploaded graph."""
    blobs = LocalBlobStore(tmp_path)
    content = written(plain())
    with blobs.stage(10**6) as staged:
        staged.write(content)
        staged.keep()
    signature = Signature.from_json(says(*THREE))
    version = ServedVersion(
        "m", 1, "onnx", staged.digest, len(content), signature, None, {"onnx": "0" * 64}
    )

    predictor = loader(blobs, spawner)(version)

    assert isinstance(predictor, ModelProcess)
    assert predictor.predict(batch_of(signature, [1.0], [2], [3.0])).values == [6.0]
