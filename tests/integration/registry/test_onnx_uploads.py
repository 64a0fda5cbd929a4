"""Uploaded ONNX files: what they say of themselves, and that they answer as they did before."""

import numpy as np
import pytest
from onnx import TensorProto
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from registry.errors import ArtifactRefused, MetadataRefused
from registry.intake.inspector import Inspector
from registry.serving.codecs.batch import build_batch
from registry.serving.onnx_predictor import OnnxPredictor
from tests.attacks.onnx_graphs import AXES, ML, SUM, model, node, plain, trees
from tests.integration.registry.models import FRAME, LABELS, MODELS, X, Y
from tests.integration.registry.onnx_exports import exported


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


@pytest.fixture(scope="module")
def inspector():
    inspector = Inspector()
    yield inspector
    inspector.close()


@pytest.fixture
def look(inspector, tmp_path):
    """Gives a file to the intake."""

    def look(content, **declared):
        path = tmp_path / "model.onnx"
        path.write_bytes(content if isinstance(content, bytes) else content.SerializeToString())
        return inspector.inspect(path, "onnx", declared)

    return look


def rows_of(estimator):
    frame = FRAME.dropna() if hasattr(estimator, "feature_names_in_") else None
    return X.astype(np.float32) if frame is None else frame


@pytest.mark.parametrize("zipmap", [False, True], ids=["tensor", "zipmap"])
@pytest.mark.parametrize("name", list(TRAINED))
def test_an_export_answers_as_scikit_learn_does(name, zipmap, look):
    estimator = TRAINED[name]

    inspection, signature = look(exported(estimator, zipmap=zipmap))

    rows = rows_of(estimator)
    values = [list(column) for column in np.asarray(rows, dtype=object).T]
    batch = build_batch(values, signature, lambda row, column: "")
    predictor = OnnxPredictor(inspection.compiled["onnx"], signature)
    answers = predictor.predict(batch, probabilities=predictor.has_probabilities)
    expected = estimator.predict(rows)
    assert (inspection.kind, inspection.engine["name"]) == ("other", "onnx")
    assert inspection.engine["checked_rows"] == 512
    assert inspection.engine["max_rel_diff"] < 1e-6
    if signature.task == "regression":
        assert np.allclose(answers.values, expected, rtol=1e-4, atol=1e-4)
    else:
        assert answers.values == expected.tolist()
        assert np.allclose(answers.probabilities, estimator.predict_proba(rows), atol=1e-5)


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


def test_a_text_that_the_file_does_not_know_is_no_category(look):
    estimator = TRAINED["columns"]
    inspection, signature = look(exported(estimator))
    batch = build_batch([[33.0], [0.5], ["Atlantis"]], signature, lambda row, column: "")

    (answer,) = OnnxPredictor(inspection.compiled["onnx"], signature).predict(batch).values

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


def test_a_signature_that_fits_names_the_columns_of_one_tensor(look):
    _, signature = look(plain(), signature=says(*THREE))
    _, unnamed = look(plain())

    assert (signature.names, signature.inputs[2].nullable) == (("a", "b", "c"), True)
    assert (unnamed.names, signature.output.name) == (("x0", "x1", "x2"), "y")


def test_columns_are_counted_by_the_signature_where_the_graph_leaves_them_open(look):
    opened = model(node("Relu", "x", "r"), node("ReduceSum", "r axes"), constants=AXES)
    opened.graph.input[0].type.tensor_type.shape.dim[1].ClearField("value")

    assert look(opened, signature=says(*THREE))[1].names == ("a", "b", "c")
    with pytest.raises(ArtifactRefused, match="give the signature"):
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
def test_what_is_claimed_must_agree_with_the_graph(content, declared, at, look):
    with pytest.raises(MetadataRefused) as refused:
        look(content, signature=declared)

    assert at in [fault.at for fault in refused.value.faults]


def test_the_order_of_classes_may_be_said(look):
    _, signature = look(trees(), signature=says(*THREE, type="integer", classes=[1, 0]))

    assert signature.output.classes == (1, 0)


def test_scores_that_are_no_probabilities_are_not_served_as_such(look):
    inspection, signature = look(trees(class_weights=[7.0, 3.0]))

    assert signature.output.classes == (0, 1)
    assert not OnnxPredictor(inspection.compiled["onnx"], signature).has_probabilities


def test_rows_without_a_number_for_an_answer_are_refused_when_they_are_asked(look):
    inspection, signature = look(model(SUM, node("Log", "y", "z"), constants=AXES, outputs=("z",)))
    predictor = OnnxPredictor(inspection.compiled["onnx"], signature)
    below = build_batch([[-1.0], [-1.0], [-1.0]], signature, lambda row, column: "")

    with pytest.raises(Exception, match="not a finite number"):
        predictor.predict(below)


def test_nothing_of_the_uploader_s_goes_along_but_numbers(look):
    """So no name or text of theirs can mean anything to what reads the file later."""
    told = trees(classlabels_int64s=None, classlabels_strings=["location", "elsewhere"])
    told.doc_string = told.producer_name = "location"
    told.graph.name = told.graph.node[0].name = "location"
    told.metadata_props.add(key="location", value="location")

    inspection, signature = look(told)

    assert signature.output.classes == ("location", "elsewhere")
    assert b"location" not in inspection.compiled["onnx"]


def test_whole_numbers_booleans_and_texts_come_as_columns_of_their_own(look):
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

    inspection, signature = look(graph)

    batch = build_batch(
        [[True, False, True], [3, 4, 5], ["b", "a", "?"]], signature, lambda row, column: ""
    )
    answers = OnnxPredictor(inspection.compiled["onnx"], signature).predict(batch)
    assert [column.type for column in signature.inputs] == ["boolean", "integer", "string"]
    assert answers.values == [123.0, 14.0, 105.0]
