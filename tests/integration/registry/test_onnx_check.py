"""Compiled models as a compromised process could write them."""

import warnings
from contextlib import suppress

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType
from sklearn import discriminant_analysis, ensemble, linear_model, naive_bayes, neural_network
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import VarianceThreshold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    RobustScaler,
    StandardScaler,
)

from registry.intake.compilation import compile_model
from registry.intake.conversion.graph import ML, ML_OPSET, OPSET
from registry.intake.onnx_check import check_onnx
from registry.signature import Column, Output, Signature
from tests.integration.registry.models import LABELS, MODELS, THREE, X, Y

INPUTS = tuple(Column(f"x{index}", "number") for index in range(3))
NUMBER = Signature(INPUTS, Output("y", "number"))
CLASSES = Signature(INPUTS, Output("y", "string", ("high", "low")))
THREE_CLASSES = Signature(INPUTS, Output("y", "integer", (0, 1, 2)))
POSITIVE = np.abs(X)

CONVERTED = [
    *((linear_model.PoissonRegressor(), X, np.abs(Y), NUMBER),),
    *((linear_model.GammaRegressor(), X, np.abs(Y) + 1, NUMBER),),
    *((linear_model.TweedieRegressor(), X, np.abs(Y), NUMBER),),
    *((neural_network.MLPRegressor(hidden_layer_sizes=(4,), max_iter=20), X, Y, NUMBER),),
    *((neural_network.MLPClassifier(hidden_layer_sizes=(4,), max_iter=20), X, LABELS, CLASSES),),
    *(
        (
            neural_network.MLPClassifier(hidden_layer_sizes=(4,), activation="tanh", max_iter=9),
            X,
            THREE,
            THREE_CLASSES,
        ),
    ),
    *((naive_bayes.GaussianNB(), X, LABELS, CLASSES),),
    *((naive_bayes.BernoulliNB(), POSITIVE, THREE, THREE_CLASSES),),
    *((naive_bayes.MultinomialNB(), POSITIVE, LABELS, CLASSES),),
    *((naive_bayes.ComplementNB(), POSITIVE, LABELS, CLASSES),),
    *((discriminant_analysis.LinearDiscriminantAnalysis(), X, THREE, THREE_CLASSES),),
    *((discriminant_analysis.QuadraticDiscriminantAnalysis(), X, LABELS, CLASSES),),
    *((linear_model.SGDClassifier(loss="log_loss"), X, THREE, THREE_CLASSES),),
    *((ensemble.GradientBoostingClassifier(n_estimators=3), X, THREE, THREE_CLASSES),),
    *((ensemble.GradientBoostingRegressor(n_estimators=3), X, Y, NUMBER),),
    *(
        (make_pipeline(step, linear_model.LinearRegression()), X, Y, NUMBER)
        for step in (
            *(Binarizer(), MaxAbsScaler(), MinMaxScaler(clip=True), Normalizer(), PCA(2)),
            *(RobustScaler(), TruncatedSVD(2), VarianceThreshold(), StandardScaler()),
        )
    ),
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CONVERTED, ids=lambda case: str(case[0])[:60])
def test_converted_models_pass_the_check(case):
    model, rows, target, signature = case
    engine = compile_model(model.fit(rows, target), signature, None).engine

    assert "is not supported" not in engine.get("reason", "")


def compiled(name):
    made = compile_model(MODELS[name], NUMBER, None)
    assert "onnx" in made.blobs, made.engine
    return made.blobs["onnx"]


def converted(name):
    """Boosted trees by skl2onnx, whose operators versions of earlier releases contain."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = convert_sklearn(
            MODELS[name],
            initial_types=[("given", DoubleTensorType([None, 3]))],
            options={"zipmap": False} if name == "boosted-classes" else None,
            target_opset={"": OPSET, ML: ML_OPSET},
        )
    return made.SerializeToString()


@pytest.fixture(scope="module")
def honest():
    """A linear model, and trees in both ways of writing them."""
    return {name: compiled(name) for name in ("linear", "forest")} | {
        name: converted(name) for name in ("boosted", "boosted-classes")
    }


def test_our_own_files_pass_the_check(honest):
    for content in honest.values():
        check_onnx(content)


def changed(content, change):
    model = onnx.load_from_string(content)
    change(model)
    return model.SerializeToString()


def body():
    value = helper.make_tensor_value_info("v", TensorProto.DOUBLE, [1])
    return helper.make_graph([helper.make_node("Identity", ["v"], ["w"])], "body", [], [value])


def external(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def located(model):
    model.graph.initializer[0].external_data.add(key="location", value="/etc/passwd")


def loop(model):
    model.graph.node.append(helper.make_node("Loop", ["", ""], ["z"], body=body()))


def graph_in_a_known_operator(model):
    model.graph.node.append(helper.make_node("Add", ["a", "b"], ["z"], body=body()))


def random(model):
    model.graph.node.append(helper.make_node("RandomNormal", [], ["z"], shape=[10]))


def of_another_domain(model):
    model.graph.node.append(helper.make_node("Add", ["a"], ["z"], domain="com.microsoft"))


def function(model):
    made = helper.make_function("evil", "f", [], ["w"], [], [helper.make_opsetid("", 18)])
    model.functions.append(made)


def training(model):
    model.training_info.add()


def sparse(model):
    model.graph.sparse_initializer.add()


def larger_than_it_is(model):
    model.graph.initializer[0].dims[0] = 2**30


def negative(model):
    model.graph.initializer[0].dims[0] = -1


def of_many_dimensions(model):
    model.graph.initializer[0].dims.extend([1] * 100)


def of_an_upload(model):
    """An operator that an uploaded file may have, and none of our conversions writes."""
    model.graph.node.append(helper.make_node("LabelEncoder", ["a"], ["z"], domain="ai.onnx.ml"))


def of_texts(model):
    model.graph.initializer.append(numpy_helper.from_array(np.array(["a"], dtype=object), "t"))


def in_segments(model):
    model.graph.initializer[0].segment.begin = 0


def huge_and_empty(model):
    model.graph.initializer.add(name="t", data_type=TensorProto.DOUBLE, dims=[2**20])


@pytest.mark.parametrize(
    "change",
    [
        *(external, located, loop, graph_in_a_known_operator, random, of_another_domain, function),
        *(training, sparse, larger_than_it_is, negative, of_many_dimensions, of_texts),
        *(in_segments, huge_and_empty, of_an_upload),
    ],
    ids=lambda change: change.__name__,
)
def test_features_beyond_a_plain_graph_are_refused(honest, change):
    with pytest.raises(ValueError, match=r"allowed|not known|tensor"):
        check_onnx(changed(honest["linear"], change))


def attribute(model, name):
    for node in model.graph.node:
        for each in node.attribute:
            if each.name == name:
                return each.ints
    raise AssertionError(name)


def first_inner(model, mode="nodes_trueleafs"):
    return list(attribute(model, mode)).index(0)


def circle(model):
    """A node that is its own child."""
    children = attribute(model, "nodes_truenodeids")
    at = first_inner(model)
    children[at] = at


def back_to_the_root(model):
    leaf = list(attribute(model, "nodes_trueleafs")).index(1)
    attribute(model, "nodes_trueleafs")[leaf] = 0
    attribute(model, "nodes_truenodeids")[leaf] = 0


def shared_child(model):
    at = first_inner(model, "nodes_falseleafs")
    attribute(model, "nodes_trueleafs")[at] = 0
    children = attribute(model, "nodes_falsenodeids")
    attribute(model, "nodes_truenodeids")[at] = children[at]


def setter(name, value):
    def change(model):
        attribute(model, name)[0] = value

    change.__name__ = f"{name}-{value}"
    return change


def shorter(name):
    def change(model):
        del attribute(model, name)[-1]

    change.__name__ = f"shorter-{name}"
    return change


INDEXED = [
    *(circle, back_to_the_root, shared_child),
    *(setter("nodes_truenodeids", value) for value in (-1, 2**40, 10**6)),
    *(setter("nodes_featureids", value) for value in (-1, 2**31)),
    *(setter("leaf_targetids", value) for value in (-1, 1)),
    *(setter("tree_roots", value) for value in (-1, 10**6, 1)),
    *(
        shorter(f"nodes_{side}{what}")
        for side in ("true", "false")
        for what in ("nodeids", "leafs")
    ),
]
NAMED = [
    *(setter("nodes_truenodeids", value) for value in (-1, 2**40, 10**6, 0)),
    *(setter("nodes_featureids", value) for value in (-1, 2**31)),
    *(setter("nodes_nodeids", value) for value in (-1, 1)),
    *(setter("nodes_treeids", value) for value in (-1, 10**6)),
    *(shorter(f"nodes_{what}") for what in ("nodeids", "treeids", "truenodeids", "featureids")),
]


@pytest.mark.parametrize("change", INDEXED, ids=lambda change: change.__name__)
def test_trees_by_index_with_cycles_or_bad_indices_are_refused(honest, change):
    with pytest.raises(ValueError, match=r"child|root|range|length|leaf"):
        check_onnx(changed(honest["forest"], change))


@pytest.mark.parametrize("name", ["boosted", "boosted-classes"])
@pytest.mark.parametrize("change", NAMED, ids=lambda change: change.__name__)
def test_trees_by_number_with_cycles_or_bad_indices_are_refused(honest, change, name):
    with pytest.raises(ValueError, match=r"child|root|range|length|leaf|number"):
        check_onnx(changed(honest[name], change))


@pytest.mark.parametrize(("name", "kind"), [("boosted", "target"), ("boosted-classes", "class")])
@pytest.mark.parametrize("value", [-1, 3, 10**6])
def test_votes_for_missing_classes_are_refused(honest, name, kind, value):
    for what in ("ids", "nodeids", "treeids"):
        if value == 3 and what != "ids":
            continue
        with pytest.raises(ValueError, match=r"range|not one of"):
            check_onnx(changed(honest[name], setter(f"{kind}_{what}", value)))


def test_a_list_in_two_fields_is_refused(honest):
    """The library would put them together, and this would look at one of them."""
    model = onnx.load_from_string(honest["forest"])
    (node,) = [each for each in model.graph.node if each.op_type == "TreeEnsemble"]
    (roots,) = [each for each in node.attribute if each.name == "tree_roots"]
    pieces = roots.SerializeToString() + b"\x12\x00" + b"\x40\x05"
    whole = model.SerializeToString()
    # The attribute, the node and the graph each say how long they are: write them anew.
    node.attribute.remove(roots)
    node_bytes = node.SerializeToString() + field(5, pieces)
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    del graph.node[:]
    nodes = b"".join(
        field(1, node_bytes if each.op_type == "TreeEnsemble" else each.SerializeToString())
        for each in model.graph.node
    )
    model.ClearField("graph")

    with pytest.raises(ValueError, match="more than one value"):
        check_onnx(model.SerializeToString() + field(7, nodes + graph.SerializeToString()))
    check_onnx(whole)


def field(number, content):
    length, head = len(content), bytearray([number << 3 | 2])
    while length > 0x7F:
        head.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes([*head, length]) + content


def test_two_graphs_are_refused(honest):
    model = onnx.load_from_string(honest["linear"])

    with pytest.raises(ValueError, match="one graph"):
        check_onnx(honest["linear"] + field(7, model.graph.SerializeToString()))


@pytest.mark.parametrize("text", ["", "w0", "LEAF\n", "BRANCH_MEMBER", "a long text", "\u00e9"])
def test_lists_of_texts_may_contain_only_modes_of_nodes(honest, text):
    def with_text(model):
        (node,) = [each for each in model.graph.node if each.op_type == "TreeEnsembleRegressor"]
        (modes,) = [each for each in node.attribute if each.name == "nodes_modes"]
        modes.strings[0] = text.encode()

    with pytest.raises(ValueError, match="an unexpected text"):
        check_onnx(changed(honest["boosted"], with_text))


@pytest.mark.parametrize("content", [b"", b"\x00", b"\xff" * 20, b"\x80\x04.", b"PK\x03\x04"])
def test_bytes_that_are_not_onnx_are_refused(content):
    with pytest.raises(ValueError, match=r"[a-z]"):
        check_onnx(content)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_refused_or_harmless(honest, data):
    content = bytearray(honest[data.draw(st.sampled_from(sorted(honest)))])
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(content)))
    with suppress(ValueError):
        check_onnx(bytes(content[:cut] if data.draw(st.booleans()) else content))
