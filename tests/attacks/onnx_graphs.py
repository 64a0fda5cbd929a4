"""ONNX files that refer to other files, never end, or need more than they declare."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.attacks.attack import Attack, Canary

FLOAT, INT64, TEXT = TensorProto.FLOAT, TensorProto.INT64, TensorProto.STRING
ML = "ai.onnx.ml"


def node(
    operator: str, inputs: str, outputs: str = "y", domain: str = "", **attributes: Any
) -> Any:
    return helper.make_node(operator, inputs.split(), outputs.split(), domain=domain, **attributes)


def model(
    *nodes: Any,
    constants: dict[str, Any] | None = None,
    outputs: Sequence[str] = ("y",),
    kind: int = FLOAT,
    inputs: dict[str, list[Any]] | None = None,
    opset: int = 18,
    imports: Sequence[tuple[str, int]] = ((ML, 3),),
    out: int = FLOAT,
    **more: Any,
) -> Any:
    """A model of three columns ``x`` and the given nodes."""
    given = [
        helper.make_tensor_value_info(name, kind, shape)
        for name, shape in (inputs or {"x": [None, 3]}).items()
    ]
    made = [helper.make_tensor_value_info(name, out, None) for name in outputs]
    graph = helper.make_graph(list(nodes), "g", given, made)
    for name, values in (constants or {}).items():
        graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    whole = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset), *(helper.make_opsetid(*i) for i in imports)],
        **more,
    )
    whole.ir_version = 9
    return whole


SUM = node("ReduceSum", "x axes", keepdims=1)
AXES = {"axes": np.array([1])}
WEIGHTS = {"w": np.ones((3, 1), dtype=np.float32)}


def plain() -> Any:
    """A valid model."""
    return model(node("MatMul", "x w"), constants=WEIGHTS)


def _outside(location: str, **more: str) -> Any:
    made = plain()
    weights = made.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        weights.external_data.add(key=key, value=value)
    return made


def _outside_attribute(canary: Canary) -> Any:
    tensor = TensorProto(data_type=FLOAT, dims=[3, 1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=canary.script)
    return model(node("Constant", "", "w", value=tensor), node("MatMul", "x w"))


def _half_outside(canary: Canary) -> Any:
    """It has external data as well as its own."""
    made = plain()
    made.graph.initializer[0].external_data.add(key="location", value=canary.script)
    return made


_SHAPES: dict[str, list[int]] = {"i": [], "go": [], "on": []}
"""The shape of a Loop's inputs to its body: all others may have any."""


def _body(*nodes: Any, inputs: dict[str, int], outputs: dict[str, int]) -> Any:
    def infos(values: dict[str, int]) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, kind, _SHAPES.get(name))
            for name, kind in values.items()
        ]

    return helper.make_graph(list(nodes), "body", infos(inputs), infos(outputs))


def _loop() -> Any:
    body = _body(
        node("Identity", "go", "on"),
        node("Identity", "v", "w"),
        inputs={"i": INT64, "go": TensorProto.BOOL, "v": FLOAT},
        outputs={"on": TensorProto.BOOL, "w": FLOAT},
    )
    return model(
        node("Loop", "count go x", "z", body=body),
        node("ReduceSum", "z axes"),
        constants={**AXES, "count": np.array(2**62), "go": np.array(True)},
    )


def looping(turns: int) -> Any:
    """The sum of a row, after so many turns for each hundred of the largest number of all rows."""
    body = _body(
        node("Identity", "go", "on"),
        node("Sin", "v", "w"),
        inputs={"i": INT64, "go": TensorProto.BOOL, "v": FLOAT},
        outputs={"on": TensorProto.BOOL, "w": FLOAT},
    )
    return model(
        node("ReduceMax", "x", "most", keepdims=0),
        node("Div", "most hundred", "hundreds"),
        node("Floor", "hundreds", "whole"),
        node("Mul", "whole turns", "all"),
        node("Cast", "all", "count", to=INT64),
        node("Loop", "count go none", "still_none", body=body),
        node("ReduceSum", "x axes", "s"),
        node("Add", "s still_none"),
        constants={
            **AXES,
            "hundred": np.float32(100),
            "turns": np.float32(turns),
            "none": np.float32(0),
            "go": np.array(True),
        },
    )


def _scan() -> Any:
    """The sum of all rows up to each one."""
    body = _body(
        node("Add", "s e", "t"),
        node("Identity", "t", "u"),
        inputs={"s": FLOAT, "e": FLOAT},
        outputs={"t": FLOAT, "u": FLOAT},
    )
    return model(
        node("Scan", "zero x", "last sums", body=body, num_scan_inputs=1),
        node("ReduceSum", "sums axes"),
        constants={**AXES, "zero": np.zeros(3, dtype=np.float32)},
    )


def _if() -> Any:
    branch = _body(node("Identity", "x", "b"), inputs={}, outputs={"b": FLOAT})
    return model(
        node("If", "yes", "z", then_branch=branch, else_branch=branch),
        node("ReduceSum", "z axes"),
        constants={**AXES, "yes": np.array(True)},
    )


def _function(recursive: bool) -> Any:
    inner = node("F", "a", "b", domain="own") if recursive else node("Identity", "a", "b")
    function = helper.make_function(
        "own",
        "F",
        ["a"],
        ["b"],
        [inner],
        [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)],
    )
    return model(
        node("F", "x", "z", domain="own"),
        node("ReduceSum", "z axes"),
        constants=AXES,
        imports=((ML, 3), ("own", 1)),
        functions=[function],
    )


def _calling(operator: str, domain: str, *defaults: Any) -> Any:
    """A graph that calls ``operator``, beside a function F of the same domain."""
    function = helper.make_function(
        domain,
        "F",
        ["a"],
        ["b"],
        [node("Identity", "a", "b")],
        [helper.make_opsetid("", 18)],
        attribute_protos=defaults,
    )
    return model(
        node(operator, "x", "z", domain=domain),
        node("ReduceSum", "z axes"),
        constants=AXES,
        imports=((ML, 3), (domain, 1)),
        functions=[function],
    )


def _default_outside(canary: Canary) -> Any:
    """A function whose attribute has a default in another file."""
    tensor = _outside(canary.script).graph.initializer[0]
    return _calling("F", "own", helper.make_attribute("t", tensor))


def _default_graph_outside(canary: Canary) -> Any:
    """A function whose attribute has a graph for its default, with data in another file."""
    return _calling("F", "own", helper.make_attribute("g", _outside(canary.script).graph))


def _unknown_field() -> bytes:
    """A file whose last field, 1000, no release of ONNX has."""
    return bytes(plain().SerializeToString()) + b"\xc0\x3e\x01"


def _hidden_function() -> Any:
    """A function that replaces one of ONNX's own operators."""
    function = helper.make_function(
        "ai.onnx.ml",
        "Scaler",
        ["a"],
        ["b"],
        [node("Identity", "a", "b")],
        [helper.make_opsetid("", 18)],
    )
    return model(
        node("Scaler", "x", "z", domain=ML),
        node("ReduceSum", "z axes"),
        constants=AXES,
        functions=[function],
    )


def _training() -> Any:
    made = plain()
    made.training_info.add().algorithm.node.append(node("Identity", "x", "z"))
    return made


def _sparse() -> Any:
    made = plain()
    made.graph.sparse_initializer.add(dims=[2**30, 2**30])
    return made


def _segment() -> Any:
    made = plain()
    made.graph.initializer[0].segment.begin = 0
    made.graph.initializer[0].segment.end = 2**40
    return made


def _optional() -> Any:
    made = plain()
    made.graph.input[0].type.sequence_type.elem_type.tensor_type.elem_type = FLOAT
    return made


def _twice(name: str) -> Any:
    made = plain()
    made.graph.initializer.append(numpy_helper.from_array(np.zeros((3, 1), np.float32), name))
    return made


def _forward() -> Any:
    """Two nodes that depend on each other."""
    return model(node("Add", "x b", "a"), node("Add", "x a", "b"), node("Add", "a b", "y"))


def trees(**change: Any) -> Any:
    """A classifier of one tree of three nodes."""
    attributes = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [0, 0, 0],
        "nodes_values": [0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        "class_treeids": [0, 0],
        "class_nodeids": [1, 2],
        "class_ids": [0, 1],
        "class_weights": [1.0, 1.0],
        "classlabels_int64s": [0, 1],
        "post_transform": "NONE",
        **change,
    }
    attributes = {key: value for key, value in attributes.items() if value is not None}
    made = model(
        node("TreeEnsembleClassifier", "x", "y p", domain=ML, **attributes),
        outputs=("y", "p"),
    )
    label = TEXT if "classlabels_strings" in attributes else INT64
    made.graph.output[0].type.tensor_type.elem_type = label
    return made


def _trees_of_five(**change: Any) -> Any:
    attributes: dict[str, Any] = {
        "nodes_featureids": [0],
        "nodes_splits": numpy_helper.from_array(np.array([0.5], np.float32)),
        "nodes_modes": numpy_helper.from_array(np.array([0], np.uint8)),
        "nodes_truenodeids": [0],
        "nodes_falsenodeids": [1],
        "nodes_trueleafs": [1],
        "nodes_falseleafs": [1],
        "leaf_targetids": [0, 0],
        "leaf_weights": numpy_helper.from_array(np.array([1, 2], np.float32)),
        "tree_roots": [0],
        "n_targets": 1,
        **change,
    }
    return model(node("TreeEnsemble", "x", "y", domain=ML, **attributes), imports=((ML, 5),))


def _doubling(operator: str) -> Any:
    """Each node makes a tensor a thousand times as large as the one before."""
    nodes = [node(operator, f"{'x' if at == 0 else f't{at}'} by", f"t{at + 1}") for at in range(5)]
    return model(
        *nodes, node("ReduceSum", "t5 axes"), constants={**AXES, "by": np.array([1, 1000])}
    )


def _outer() -> Any:
    """Rows against rows: as many numbers as the square of the rows."""
    return model(
        node("Transpose", "x", "t", perm=[1, 0]),
        node("MatMul", "x t", "s"),
        node("ReduceSum", "s axes", "y"),
        constants=AXES,
    )


def _outer_sum() -> Any:
    return model(
        node("ReduceSum", "x axes", "s"),
        node("Reshape", "s row", "t"),
        node("Add", "s t", "u"),
        node("ReduceMax", "u", "y", axes=[1]),
        constants={**AXES, "row": np.array([1, -1])},
        opset=17,
    )


def _powers() -> Any:
    """Each node squares the number of numbers in a row, by adding it to itself."""
    nodes, name = [], "x"
    for at in range(6):
        nodes += [
            node("Unsqueeze", f"{name} last", f"a{at}"),
            node("Unsqueeze", f"{name} second", f"b{at}"),
            node("Add", f"a{at} b{at}", f"c{at}"),
            node("Flatten", f"c{at}", f"d{at}", axis=1),
        ]
        name = f"d{at}"
    return model(
        *nodes,
        node("ReduceSum", f"{name} axes"),
        constants={**AXES, "last": np.array([2]), "second": np.array([1])},
    )


def _wide() -> Any:
    return model(
        node("MatMul", "x w", "h"),
        node("ReduceSum", "h axes"),
        constants={**AXES, "w": np.ones((3, 20_000), dtype=np.float32)},
    )


def _busy() -> Any:
    """A hundred products with one matrix, which the file holds once."""
    size = 256
    nodes, name = [node("MatMul", "x up", "h0")], "h0"
    for at in range(120):
        nodes.append(node("MatMul", f"{name} w", f"h{at + 1}"))
        name = f"h{at + 1}"
    return model(
        *nodes,
        node("ReduceSum", f"{name} axes"),
        constants={
            **AXES,
            "up": np.ones((3, size), dtype=np.float32),
            "w": np.zeros((size, size), dtype=np.float32),
        },
    )


def _divided() -> Any:
    """The processor stops a process that divides a whole number by zero."""
    return model(
        node("Cast", "x", "i", to=INT64),
        node("Div", "i i", "d"),
        node("Cast", "d", "f", to=FLOAT),
        node("ReduceSum", "f axes"),
        constants=AXES,
    )


def overflowing() -> Any:
    """-2**63 / (x + 999,999), which raises SIGFPE for a row whose sum x is -1,000,000.

    The divisor is an integer still where it is raised to a float: a power is of its base's type.
    """
    return model(
        node("Cast", "x", "i", to=INT64),
        node("ReduceSum", "i axes", "s"),
        node("Add", "s million", "u"),
        node("Pow", "u exponent", "p"),
        node("Div", "lowest p", "d"),
        node("Cast", "d", "y", to=FLOAT),
        constants={
            **AXES,
            "million": np.array([[999_999]]),
            "exponent": np.array([[1]], np.float32),
            "lowest": np.array([[-(2**63)]]),
        },
    )


def _tiled_by_a_row() -> Any:
    return model(
        node("Cast", "x", "i", to=INT64),
        node("ReduceMax", "i", "m", keepdims=0),
        node("Abs", "m", "a"),
        node("Mul", "a many", "n"),
        node("Reshape", "n two", "r"),
        node("Concat", "one r", "by", axis=0),
        node("Tile", "x by", "t"),
        node("ReduceSum", "t axes"),
        constants={
            **AXES,
            "many": np.array(2**40),
            "two": np.array([1]),
            "one": np.array([1]),
        },
    )


def _gathered(values: list[int]) -> Any:
    return model(node("Gather", "x at", axis=1), constants={"at": np.array(values)})


def _gathered_by_input() -> Any:
    return model(
        node("Cast", "x", "i", to=INT64),
        node("Gather", "table i", "g"),
        node("ReduceSum", "g axes"),
        constants={**AXES, "table": np.zeros(4, np.float32)},
    )


def _unknown_attribute() -> Any:
    return model(node("Relu", "x", "r", plugin="./own.so"), SUM, constants=AXES)


def _many() -> Any:
    chain = [node("Sin", "x" if at == 0 else f"t{at}", f"t{at + 1}") for at in range(1_001)]
    return model(*chain, node("ReduceSum", "t1001 axes"), constants=AXES)


def _texts(operator: str, **attributes: Any) -> Any:
    """What ``operator`` makes of a text, as a number."""
    return model(
        node(operator, "x", "t", **attributes),
        node("Cast", "t", "f", to=FLOAT),
        node("ReduceSum", "f axes"),
        kind=TEXT,
        inputs={"x": [None, 1]},
        constants=AXES,
        opset=20,
    )


def _scaled(**attributes: Any) -> Any:
    return model(node("Scaler", "x", "s", domain=ML, **attributes), SUM, constants=AXES)


def _linear(**attributes: Any) -> Any:
    return model(node("LinearRegressor", "x", "y", domain=ML, **attributes))


def _unused() -> Any:
    made = plain()
    made.graph.node.append(node("Softplus2", "x", "z", domain="com.microsoft"))
    return made


GRAPHS: dict[str, Callable[[Canary], Any]] = {
    "data in a file beside it": lambda c: _outside("weights.bin"),
    "data in a file of the server's": lambda c: _outside("/etc/passwd"),
    "data in a file up the tree": lambda c: _outside("../../../../../../etc/passwd", offset="0"),
    "data in a file of 2^60 bytes": lambda c: _outside("/dev/zero", length=str(2**60)),
    "data of the process itself": lambda c: _outside("/proc/self/mem", offset="4194304"),
    "an attribute with data outside": _outside_attribute,
    "data inside and outside": _half_outside,
    "a Loop that never ends": lambda c: _loop(),
    "a Scan": lambda c: _scan(),
    "an If": lambda c: _if(),
    "a function that calls itself": lambda c: _function(True),
    "a function": lambda c: _function(False),
    "a function in place of an operator": lambda c: _hidden_function(),
    "a function with a default outside": _default_outside,
    "a function with a graph for a default, with data outside": _default_graph_outside,
    "an operator beside a function of its domain": lambda c: _calling("System", "own"),
    "a function among ONNX Runtime's own operators": lambda c: _calling("F", "com.microsoft.nchwc"),
    "training": lambda c: _training(),
    "a sparse tensor": lambda c: _sparse(),
    "a tensor in segments": lambda c: _segment(),
    "an input that is a sequence": lambda c: _optional(),
    "a domain of others": lambda c: model(
        node("Gelu", "x", domain="org.example"), imports=(("org.example", 1),)
    ),
    "operators of ONNX Runtime's own": lambda c: model(
        node("Gelu", "x", "z", domain="com.microsoft"),
        node("ReduceSum", "z axes"),
        constants=AXES,
        imports=(("com.microsoft", 1),),
    ),
    "a library for another processor": lambda c: model(
        node("EPContext", "x", domain="com.microsoft", ep_cache_context=c.script, embed_mode=0),
        imports=(("com.microsoft", 1),),
    ),
    "a domain of one's own": lambda c: model(
        node("PyOp", "x", domain="evil"), imports=(("evil", 1),)
    ),
    "an operator that is not there": lambda c: model(node("System", "x")),
    "a domain that is not imported": lambda c: _unused(),
    "a release to come": lambda c: model(SUM, constants=AXES, opset=9999),
    "a release long gone": lambda c: model(SUM, constants=AXES, opset=1),
    "a negative release": lambda c: model(SUM, constants=AXES, opset=-1),
    "two releases at once": lambda c: model(SUM, constants=AXES, imports=(("", 11),)),
    "a constant twice": lambda c: _twice("w"),
    "a constant in place of an answer": lambda c: _twice("y"),
    "nodes that wait for one another": lambda c: _forward(),
    "a node that takes what is not there": lambda c: model(node("Relu", "nothing")),
    "a node that makes its own input": lambda c: model(node("Relu", "x", "x"), SUM, constants=AXES),
    "Tile": lambda c: _doubling("Tile"),
    "Expand": lambda c: _doubling("Expand"),
    "Tile as often as a row says": lambda c: _tiled_by_a_row(),
    "ConstantOfShape": lambda c: model(
        node("ConstantOfShape", "s"), constants={"s": np.array([2**40])}
    ),
    "Range": lambda c: model(
        node("Range", "a b a", "r"),
        node("Cast", "r", "y", to=FLOAT),
        constants={"a": np.array(1), "b": np.array(2**40)},
    ),
    "Pad": lambda c: model(node("Pad", "x p"), constants={"p": np.array([0, 0, 0, 2**40])}),
    "Resize": lambda c: model(
        helper.make_node("Resize", ["x", "", "s"], ["y"]),
        constants={"s": np.array([1, 1e9], np.float32)},
    ),
    "OneHot": lambda c: model(
        node("Cast", "x", "i", to=INT64),
        node("OneHot", "i d v"),
        constants={"d": np.array(2**40), "v": np.array([0, 1], np.float32)},
    ),
    "EyeLike": lambda c: model(node("EyeLike", "x")),
    "RandomNormal": lambda c: model(node("RandomNormal", "", "y", shape=[2**20, 2**20])),
    "NonZero": lambda c: model(node("NonZero", "x"), out=INT64),
    "Einsum": lambda c: model(node("Einsum", "x x", equation="ij,kl->ijkl")),
    "rows times rows": lambda c: _outer(),
    "rows plus rows": lambda c: _outer_sum(),
    "a row that squares itself, six times": lambda c: _powers(),
    "20,000 numbers for each row": lambda c: _wide(),
    "120 products with one matrix": lambda c: _busy(),
    "a division of whole numbers by zero": lambda c: _divided(),
    "a division of whole numbers that overflows": lambda c: overflowing(),
    "a column out of range": lambda c: _gathered([99]),
    "a column far before the first": lambda c: _gathered([-99]),
    "a place that a row names": lambda c: _gathered_by_input(),
    "an attribute that is not there": lambda c: _unknown_attribute(),
    "1,001 nodes": lambda c: _many(),
    "texts by a pattern": lambda c: _texts("RegexFullMatch", pattern="(a+)+$"),
    "texts cut up": lambda c: _texts("StringSplit", delimiter=""),
    "texts normalized": lambda c: _texts("StringNormalizer", locale="../../x"),
    "texts read as numbers": lambda c: _texts("Cast", to=FLOAT),
    "an image": lambda c: model(node("ImageDecoder", "x")),
    "a trained cell": lambda c: model(node("LSTM", "x w w"), constants=WEIGHTS),
    "support vectors": lambda c: model(
        node("SVMRegressor", "x", domain=ML, n_supports=10**9, coefficients=[1.0])
    ),
    "a scale of another length": lambda c: _scaled(scale=[1.0] * 99, offset=[0.0] * 99),
    "weights of another length": lambda c: _linear(coefficients=[1.0], intercepts=[0.0], targets=9),
    "no weights": lambda c: _linear(),
    "a tree that leads back": lambda c: trees(nodes_truenodeids=[0, 0, 0]),
    "a tree with a child out of range": lambda c: trees(nodes_truenodeids=[99, 0, 0]),
    "a tree with a negative child": lambda c: trees(nodes_truenodeids=[-1, 0, 0]),
    "a tree with a node of two parents": lambda c: trees(nodes_truenodeids=[2, 0, 0]),
    "a tree with a feature out of range": lambda c: trees(nodes_featureids=[77, 0, 0]),
    "a tree with a negative feature": lambda c: trees(nodes_featureids=[-7, 0, 0]),
    "a tree with a class out of range": lambda c: trees(class_ids=[0, 9999]),
    "a tree with a negative class": lambda c: trees(class_ids=[0, -3]),
    "a tree with lists of different lengths": lambda c: trees(nodes_values=[0.5]),
    "a tree with fewer weights than leaves": lambda c: trees(class_weights=[1.0]),
    "a tree with two nodes of one number": lambda c: trees(nodes_nodeids=[0, 1, 1]),
    "a tree with an answer at no leaf": lambda c: trees(class_nodeids=[0, 2]),
    "a tree with a node of another kind": lambda c: trees(
        nodes_modes=["BRANCH_MEMBER", "LEAF", "LEAF"]
    ),
    "a tree of five that leads back": lambda c: _trees_of_five(nodes_trueleafs=[0]),
    "a tree of five with a leaf out of range": lambda c: _trees_of_five(nodes_falsenodeids=[99]),
    "a tree of five with a root out of range": lambda c: _trees_of_five(tree_roots=[7]),
    "a tree of five with a target out of range": lambda c: _trees_of_five(leaf_targetids=[0, 99]),
    "a tree of five with a feature out of range": lambda c: _trees_of_five(nodes_featureids=[99]),
    "no outputs": lambda c: model(SUM, constants=AXES, outputs=()),
    "three outputs": lambda c: model(
        SUM, node("Relu", "y", "z"), node("Relu", "z", "w"), constants=AXES, outputs=("y", "z", "w")
    ),
    "an output that is not there": lambda c: model(SUM, constants=AXES, outputs=("elsewhere",)),
    "a constant for an answer": lambda c: model(
        node("Identity", "k"), constants={"k": np.ones((1, 1), np.float32)}
    ),
    "no inputs": lambda c: _no_inputs(),
    "an input of no columns": lambda c: model(SUM, constants=AXES, inputs={"x": [None, 0]}),
    "an input of 2^40 columns": lambda c: model(SUM, constants=AXES, inputs={"x": [None, 2**40]}),
    "an input of three axes": lambda c: model(SUM, constants=AXES, inputs={"x": [None, 3, 3]}),
    "an input of complex numbers": lambda c: model(SUM, constants=AXES, kind=TensorProto.COMPLEX64),
}


HARMLESS = frozenset(
    {
        "an If",
        "a function",
        "operators of ONNX Runtime's own",
        "a constant twice",
        "Tile as often as a row says",
        "20,000 numbers for each row",
        "120 products with one matrix",
        "a division of whole numbers that overflows",
        "a place that a row names",
        "1,001 nodes",
        "texts by a pattern",
        "a tree with a node of two parents",
        "a tree with an answer at no leaf",
        "a tree with a node of another kind",
    }
)
"""ONNX Runtime accepts these. Whatever they do when they predict happens in a confined process."""


def _no_inputs() -> Any:
    made = plain()
    del made.graph.input[:]
    return made


BYTES: dict[str, Callable[[Canary], bytes]] = {
    "no bytes but one": lambda c: b"\x00",
    "a text": lambda c: b"import os; os.system('true')" * 20,
    "a file cut off": lambda c: bytes(plain().SerializeToString())[:-20],
    "a length that is too long": lambda c: b"\x3a\xff\xff\xff\xff\x0f",
    "groups in groups": lambda c: b"\x3b" * 100_000,
    "messages in messages": lambda c: _deep(),
    "a field that is not known": lambda c: _unknown_field(),
    "a model without a graph": lambda c: bytes(onnx.ModelProto(ir_version=9).SerializeToString()),
}


def _deep() -> bytes:
    """Graphs in attributes of nodes of graphs, deeper than any parser follows."""
    content = b""
    for _ in range(300):
        for number in (6, 5, 1):  # attribute g, node attribute, graph node
            length, size = len(content), b""
            while True:
                size += bytes([length & 127 | (128 if length > 127 else 0)])
                length >>= 7
                if not length:
                    break
            content = bytes([number << 3 | 2]) + size + content
    length, size = len(content), b""
    while length:
        size += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
    return b"\x3a" + size + content


ATTACKS = [
    *(
        Attack(
            name,
            "onnx",
            lambda c, make=make: bytes(make(c).SerializeToString()),
            harmless=name in HARMLESS,
        )
        for name, make in GRAPHS.items()
    ),
    *(Attack(name, "onnx", make) for name, make in BYTES.items()),
]
