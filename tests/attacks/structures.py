"""Genuine models whose arrays were changed so that compiled code would read out of bounds."""

import io
import json
import zipfile
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeRegressor
from sklearn.tree._tree import Tree

from tests.attacks.archives import changed
from tests.attacks.attack import Attack
from tests.attacks.opcodes import Call, named, program, written

_draws = np.random.default_rng(5)
X = _draws.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5]


def spoilt(change: Callable[[Any, dict[str, Any]], None], tree: Tree | None = None) -> Tree:
    """A copy of ``tree`` with a changed state; of a small fitted tree if none is given."""
    tree = tree or DecisionTreeRegressor(max_depth=4).fit(X, Y).tree_
    make, arguments, state = tree.__reduce__()
    state = {**state, "nodes": state["nodes"].copy(), "values": state["values"].copy()}
    change(state["nodes"], state)
    fresh = make(*arguments)
    fresh.__setstate__(state)
    return fresh


def _set(field: str, node: int, value: float) -> Callable[[Any, Any], None]:
    def change(nodes: Any, _: Any) -> None:
        nodes[field][node] = value

    return change


def _value(_: Any, state: dict[str, Any]) -> None:
    state["values"][0] = np.nan


def _count(_: Any, state: dict[str, Any]) -> None:
    state["node_count"] = 3


TREE_DAMAGE = {
    "a cycle": _set("left_child", 0, 0),
    "a longer cycle": _set("left_child", 1, 0),
    "a child out of range": _set("right_child", 0, 10**6),
    "a negative child": _set("left_child", 0, -5),
    "one child": _set("left_child", 0, -1),
    "a node with two parents": _set("right_child", 0, 1),
    "a feature out of range": _set("feature", 0, 99),
    "a negative feature": _set("feature", 0, -3),
    "a threshold that is no number": _set("threshold", 0, np.nan),
    "a value that is no number": _value,
    "fewer nodes than it says": _count,
}


def _in(where: str, tree: Tree) -> Any:
    alone = DecisionTreeRegressor(max_depth=4).fit(X, Y)
    alone.tree_ = tree
    if where == "in a pipeline":
        model = make_pipeline(StandardScaler(), DecisionTreeRegressor()).fit(X, Y)
        model.steps[1] = ("tree", alone)
        return model
    if where == "in a forest":
        model = RandomForestRegressor(3, random_state=0).fit(X, Y)
        model.estimators_[2] = alone
        return model
    return alone


def _wide(kind: type) -> Any:
    """An ensemble with a tree that looks at features which the ensemble does not have."""
    wide = DecisionTreeRegressor(max_depth=2).fit(np.hstack([X, X]), Y)
    model = kind(n_estimators=3).fit(X, Y)
    if kind is GradientBoostingRegressor:
        model.estimators_[1, 0] = wide
    else:
        model.estimators_[1] = wide
    return model


def _many_a_round() -> Any:
    model = GradientBoostingRegressor(n_estimators=3).fit(X, Y)
    model.estimators_ = np.hstack([model.estimators_] * 3)
    return model


def _made(classes: Any, outputs: int) -> bytes:
    """A pickle of a tree that is made with these arguments and no more."""
    return written(Call(Tree, 3, np.array(classes), outputs), "joblib")


def _state(**change: Any) -> bytes:
    model = DecisionTreeRegressor(max_depth=2).fit(X, Y)
    make, arguments, state = model.tree_.__reduce__()

    class Forged:
        def __reduce__(self) -> Any:
            return make, arguments, {**state, **change}

    model.tree_ = Forged()
    return written(model, "joblib")


def _nodes() -> Any:
    return DecisionTreeRegressor(max_depth=2).fit(X, Y).tree_.__getstate__()["nodes"]


def _skops_outputs(outputs: int) -> bytes:
    """A skops file of a tree that says it has more outputs than numbers of classes."""
    content = written(DecisionTreeRegressor(max_depth=2).fit(X, Y), "skops")

    def change(schema: Any) -> Any:
        node = schema["content"]["content"]["tree_"]
        asked = node["__reduce__"]["args"]["content"][2]
        node["__reduce__"]["args"]["content"][2] = {
            **asked,
            "content": json.dumps(outputs),
            "__id__": 1,
        }
        return schema

    return changed(content, change)


def _skops_array(of: Callable[[Any], Any], change: Callable[[Any], Any]) -> bytes:
    """A skops file of a forest whose tree takes another array in one place of its schema."""
    content = written(RandomForestClassifier(1).fit(X, Y > 0), "skops")
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        schema = json.loads(old.read("schema.json"))
        members = schema["content"]["content"]["estimators_"]["content"]
        file = of(members[0]["content"]["content"]["tree_"])["file"]
        for name in old.namelist():
            data = old.read(name)
            if name == file:
                changed_array = io.BytesIO()
                np.save(changed_array, change(np.load(io.BytesIO(data))))
                data = changed_array.getvalue()
            new.writestr(name, data)
    return out.getvalue()


def _classes(tree: Any) -> Any:
    return tree["__reduce__"]["args"]["content"][1]


def _skops_twin(inner: Callable[[Any], Any], change: Callable[[Any], Any]) -> bytes:
    """A skops file that describes a part of its tree before, under the same id, in another way.

    skops takes the first description.
    """
    content = written(DecisionTreeRegressor(max_depth=2).fit(X, Y), "skops")

    def described(schema: Any) -> Any:
        held = schema["content"]
        first = deepcopy(inner(held["content"]["tree_"]))
        change(first["content"])
        held["content"] = {"first_": first, **held["content"]}
        held["key_types"]["content"].insert(0, held["key_types"]["content"][0])
        return schema

    return changed(content, described)


def _many_outputs(arguments: Any) -> None:
    arguments[2] = {**arguments[2], "content": "900", "__id__": 1}


def _values_for_nodes(state: Any) -> None:
    state["nodes"] = {**state["values"], "__id__": 1}


@cache
def _fitted() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=3, min_samples_leaf=5).fit(X, Y)


def _histograms(change: Callable[[Any], None], field: str = "nodes") -> Any:
    model = deepcopy(_fitted())
    tree = model._predictors[1][0]
    tree.nodes = tree.nodes.copy()
    change(tree.nodes if field == "nodes" else model)
    return model


def _bins(model: Any) -> None:
    model._bin_mapper.is_categorical_ = np.ones(3, dtype=np.uint8)


def _start(model: Any) -> None:
    model.n_trees_per_iteration_ = 4


def _set_node(field: str, value: int) -> Callable[[Any], None]:
    def change(nodes: Any) -> None:
        nodes[field][0] = value

    return change


HISTOGRAMS = {
    "a cycle": lambda: _histograms(_set_node("left", 0)),
    "a child out of range": lambda: _histograms(_set_node("right", 10**6)),
    "a feature out of range": lambda: _histograms(_set_node("feature_idx", 77)),
    "a negative feature": lambda: _histograms(_set_node("feature_idx", -7)),
    "a split by a set": lambda: _histograms(_set_node("is_categorical", 1)),
    "bins of categories": lambda: _histograms(_bins, "model"),
    "more trees a round than answers": lambda: _histograms(_start, "model"),
}


def _machine(kind: type, **change: Any) -> Any:
    model = kind().fit(X, Y > 0 if kind is SVC else Y)
    vars(model).update(change)
    return model


MACHINES = {
    "fewer support vectors than it counts": lambda: _machine(
        SVC, _n_support=np.array([10**6, 10**6], dtype=np.int32)
    ),
    "a negative count": lambda: _machine(SVC, _n_support=np.array([-5, 65], dtype=np.int32)),
    "weights of another shape": lambda: _machine(SVC, _dual_coef_=np.zeros((1, 1))),
    "vectors of another width": lambda: _machine(SVR, support_vectors_=np.zeros((60, 1))),
    "no starting value": lambda: _machine(SVC, _intercept_=np.zeros(0)),
    "probabilities of another shape": lambda: _machine(SVC, _probA=np.zeros(1), _probB=np.zeros(0)),
    "a table with holes": lambda: _machine(SVR, _sparse=True),
    "a kernel computed elsewhere": lambda: _machine(SVR, kernel="precomputed"),
}


def _draw(position: int) -> Any:
    state = np.random.RandomState(0)
    inner = state.get_state(legacy=False)
    inner["state"]["pos"] = position
    state.set_state(inner)
    model = RandomForestRegressor(2).fit(X, Y)
    model.random_state = state
    return model


ATTACKS = [
    *(
        Attack(
            f"a tree with {name}, {where}",
            format_,
            lambda c, change=change, where=where, format_=format_: written(
                _in(where, spoilt(change)), format_
            ),
        )
        for name, change in TREE_DAMAGE.items()
        for where, format_ in (("alone", "joblib"), ("in a forest", "skops"))
    ),
    Attack(
        "a tree with a cycle, in a pipeline",
        "skops",
        lambda c: written(_in("in a pipeline", spoilt(TREE_DAMAGE["a cycle"])), "skops"),
    ),
    *(
        Attack(
            f"a tree too wide for its {kind.__name__}",
            format_,
            lambda c, kind=kind, format_=format_: written(_wide(kind), format_),
        )
        for kind in (RandomForestRegressor, GradientBoostingRegressor)
        for format_ in ("joblib", "skops")
    ),
    *(
        Attack(
            "more boosted trees a round than answers",
            format_,
            lambda c, format_=format_: written(_many_a_round(), format_),
        )
        for format_ in ("joblib", "skops")
    ),
    Attack(
        "a tree with fewer numbers of classes than outputs", "joblib", lambda c: _made([1], 900)
    ),
    Attack("a tree with no numbers of classes", "joblib", lambda c: _made([], 2**40)),
    Attack("a tree of 2^60 classes", "joblib", lambda c: _made([2**60], 1)),
    Attack("a tree of a negative number of classes", "joblib", lambda c: _made([-5], 1)),
    Attack(
        "a tree made by NEWOBJ of no arguments",
        "joblib",
        lambda c: program(named("sklearn.tree._tree", "Tree"), (), b"\x81"),
    ),
    Attack(
        "a tree whose values are of another shape",
        "joblib",
        lambda c: _state(values=np.zeros((1, 1, 1))),
    ),
    Attack("a tree whose nodes are of another kind", "joblib", lambda c: _state(nodes=np.zeros(7))),
    Attack(
        "a tree whose nodes have no length",
        "joblib",
        lambda c: _state(nodes=np.array(_nodes()[0])),
    ),
    Attack(
        "a tree whose nodes have two lengths",
        "joblib",
        lambda c: _state(nodes=_nodes()[None]),
    ),
    Attack("a tree whose values have no length", "joblib", lambda c: _state(values=np.array(1.0))),
    Attack("a tree whose nodes are a list", "joblib", lambda c: _state(nodes=_nodes().tolist())),
    Attack("a tree with a negative count", "joblib", lambda c: _state(node_count=-1)),
    # scikit-learn takes the number of nodes that are there.
    Attack(
        "a tree with a count beyond its nodes",
        "joblib",
        lambda c: _state(node_count=10**9),
        harmless=True,
    ),
    Attack(
        "a tree with fewer numbers of classes than outputs", "skops", lambda c: _skops_outputs(900)
    ),
    Attack(
        "a tree with no numbers of classes",
        "skops",
        lambda c: _skops_array(_classes, lambda classes: classes[:0]),
    ),
    Attack(
        "a tree whose nodes have no length",
        "skops",
        lambda c: _skops_array(
            lambda tree: tree["content"]["content"]["nodes"], lambda nodes: np.array(nodes[0])
        ),
    ),
    Attack(
        "a tree whose values have no length",
        "skops",
        lambda c: _skops_array(
            lambda tree: tree["content"]["content"]["values"], lambda values: np.array(1.0)
        ),
    ),
    Attack(
        "a tree made with arguments that are described in two ways",
        "skops",
        lambda c: _skops_twin(lambda tree: tree["__reduce__"]["args"], _many_outputs),
    ),
    Attack(
        "a tree filled with a state that is described in two ways",
        "skops",
        lambda c: _skops_twin(lambda tree: tree["content"], _values_for_nodes),
    ),
    *(
        Attack(
            f"histograms with {name}",
            format_,
            lambda c, make=make, format_=format_: written(make(), format_),
        )
        for name, make in HISTOGRAMS.items()
        for format_ in ("joblib", "skops")
    ),
    *(
        Attack(
            f"a support vector machine with {name}",
            format_,
            lambda c, make=make, format_=format_: written(make(), format_),
        )
        for name, make in MACHINES.items()
        for format_ in ("joblib", "skops")
    ),
    *(
        Attack(
            f"random numbers read from position {position}",
            format_,
            lambda c, position=position, format_=format_: written(_draw(position), format_),
        )
        for position in (625, -1)
        for format_ in ("joblib", "skops")
    ),
]
