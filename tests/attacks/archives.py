"""skops files whose zip or schema is not what skops writes."""

import io
import json
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from tests.attacks.attack import Attack, Canary
from tests.attacks.opcodes import Call, written

Schema = Any


def _model() -> bytes:
    return written(LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0]), "skops")


def _tree() -> bytes:
    return written(DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0]), "skops")


def changed(content: bytes, change: Callable[[Schema], Schema]) -> bytes:
    """The skops file with its schema changed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "schema.json":
                data = json.dumps(change(json.loads(data))).encode()
            new.writestr(name, data)
    return out.getvalue()


def _with_node(make: Callable[[Canary], Schema]) -> Callable[[Canary], bytes]:
    """A genuine file that holds, among the attributes of its model, the node that is made."""

    def attack(canary: Canary) -> bytes:
        def change(schema: Schema) -> Schema:
            content = schema["content"]
            content["content"]["note_"] = make(canary)
            content["key_types"]["content"].append(_type("builtins", "str"))
            return schema

        return changed(_model(), change)

    return attack


def _node(loader: str, module: str, name: str, **more: Any) -> Schema:
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


def _type(module: str, name: str) -> Schema:
    return _node("TypeNode", module, name)


def _json(value: object) -> Schema:
    return _node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def _tuple(*items: Schema) -> Schema:
    return _node("TupleNode", "builtins", "tuple", content=list(items))


def _dict(**items: Schema) -> Schema:
    keys = _node("ListNode", "builtins", "list", content=[_type("builtins", "str")] * len(items))
    return _node("DictNode", "builtins", "dict", content=items, key_types=keys)


def _generator(name: str, pool: int = 4) -> Schema:
    seed = _dict(entropy=_json(1), spawn_key=_tuple(), pool_size=_json(pool))
    state = _dict(bit_generator=_json(name), state=_dict())
    return _node(
        "RandomGeneratorNode",
        *("numpy.random._generator", "Generator"),
        content={"bit_generator": state, "seed_seq": seed},
    )


NODES: dict[str, Callable[[Canary], Schema]] = {
    "a function": lambda c: _node("FunctionNode", "os", "system"),
    "a function that skops trusts": lambda c: _node("FunctionNode", "numpy", "add"),
    "a method": lambda c: _node(
        "MethodNode", "builtins", "str", content={"func": "format", "obj": _json("{}")}
    ),
    "a partial": lambda c: _node(
        "PartialNode",
        *("functools", "partial"),
        content={
            "func": _node("FunctionNode", "os", "system"),
            "args": _tuple(_json(c.command)),
            "kwds": _dict(),
            "namespace": _json(None),
        },
    ),
    "an operator": lambda c: _node(
        "OperatorFuncNode", "operator", "methodcaller", attrs=_tuple(_json("tofile"), _json(c.path))
    ),
    "a constructor": lambda c: _node(
        "ConstructorFromReduceNode", "pathlib", "PosixPath", content=_tuple(_json(c.path))
    ),
    "a process": lambda c: _node("ObjectNode", "subprocess", "Popen", content=_dict()),
    "a class as a value": lambda c: _type("subprocess", "Popen"),
    "joblib's Memory": lambda c: _node(
        "ObjectNode", "joblib.memory", "Memory", content=_dict(location=_json(c.path))
    ),
    "a loss that is an array of pointers": lambda c: _node(
        "LossNode",
        *("numpy", "ndarray"),
        __reduce__={"args": _tuple(_tuple(_json(1)), _json("O"))},
        content=_dict(),
    ),
    "a loss that is a file": lambda c: _node(
        "LossNode",
        *("io", "FileIO"),
        __reduce__={"args": _tuple(_json(c.path), _json("w"))},
        content=_dict(),
    ),
    "a tree made as an object": lambda c: _node(
        "ObjectNode", "sklearn.tree._tree", "Tree", content=_dict()
    ),
    "an array made as an object": lambda c: _node(
        "ObjectNode", "numpy", "ndarray", content=_dict()
    ),
    "an object that refers to another": lambda c: _node("CachedNode", "builtins", "str", __id__=1),
    "a generator of a function's name": lambda c: _generator("seed"),
    "a generator with a pool of 2^40": lambda c: _generator("PCG64", 2**40),
    "a key that is a class": lambda c: _node(
        "DictNode",
        *("builtins", "dict"),
        content={c.path: _json(1)},
        key_types=_node("ListNode", "builtins", "list", content=[_type("pathlib", "Path")]),
    ),
    "a set": lambda c: _node("SetNode", "builtins", "set", content=[_json(1)]),
    "bytes": lambda c: _node("BytesNode", "builtins", "bytes", file="schema.json"),
    "a slice of objects": lambda c: _node(
        "SliceNode", "builtins", "slice", content={"start": {}, "stop": [], "step": None}
    ),
    "a file that is not there": lambda c: _node(
        "NdArrayNode", "numpy", "ndarray", type="numpy", file="../../../../etc/passwd"
    ),
    "a loader that is not there": lambda c: _node("EvalNode", "builtins", "str", content=c.code),
    "a node of a release to come": lambda c: {**_json(1), "__loader__": ["JsonNode"]},
    "a node without a name": lambda c: {"__loader__": "JsonNode", "content": "1"},
    "json that is no json": lambda c: _node(
        "JsonNode", "builtins", "str", content=c.code, is_json=True
    ),
    "two objects of one id": lambda c: _tuple(
        {**_json(1), "__id__": 9}, {**_type("builtins", "str"), "__id__": 9}
    ),
}


def _zip(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def _schema(content: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("schema.json")


def _more(content: bytes, *entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO(content)
    with warnings.catch_warnings(), zipfile.ZipFile(out, "a") as archive:
        warnings.simplefilter("ignore", UserWarning)  # that a name is there already
        for name, data in entries:
            archive.writestr(name, data)
    return out.getvalue()


def _tar(canary: Canary, mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        info = tarfile.TarInfo(canary.path)
        archive.addfile(info, io.BytesIO())
    return out.getvalue()


def _flagged(content: bytes) -> bytes:
    """Every entry says that it is encrypted."""
    return content.replace(
        b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00\x01\x00"
    )


def _lying(content: bytes) -> bytes:
    """The last entry says that it is one byte when it is unpacked."""
    at = content.rindex(b"PK\x01\x02")
    return content[: at + 24] + (1).to_bytes(4, "little") + content[at + 28 :]


def _repacked(content: bytes, packing: int) -> bytes:
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(out, "w", packing) as new,
    ):
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return out.getvalue()


def _link(canary: Canary) -> bytes:
    info = zipfile.ZipInfo("schema.json")
    info.external_attr = 0o120777 << 16
    return _zip((info, b"/etc/passwd"))


def _deep(canary: Canary) -> bytes:
    return _zip(("schema.json", b'{"content":' * 100_000 + b"1" + b"}" * 100_000))


def _pickled_array(canary: Canary) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Call(os.system, canary.command)], dtype=object), allow_pickle=True)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_model())) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, file.getvalue() if name.endswith(".npy") else old.read(name))
    return out.getvalue()


ZIPS: dict[str, Callable[[Canary], bytes]] = {
    "an empty zip": lambda c: _zip(),
    "a schema that leads out of the folder": lambda c: _zip(("../schema.json", _schema(_model()))),
    "a file that leads out of the folder, instead of the model": lambda c: _zip((c.path, b"x")),
    "a link for a schema": _link,
    "two schemas": lambda c: _more(_model(), ("schema.json", b"{}")),
    "a schema without its arrays": lambda c: _zip(("schema.json", _schema(_model()))),
    "a schema nested too deeply": _deep,
    "a schema of another release": lambda c: changed(_model(), lambda s: {**s, "protocol": 99}),
    "a schema with no release": lambda c: changed(_model(), lambda s: {**s, "protocol": True}),
    "a schema that is a list": lambda c: _zip(("schema.json", b"[]")),
    "a schema that is a number": lambda c: _zip(("schema.json", b"1e999")),
    "a schema that is no UTF-8": lambda c: _zip(("schema.json", b"\xff\xfe{}")),
    "a pickle for a schema": lambda c: _zip(
        ("schema.json", pickle.dumps(Call(os.system, c.command)))
    ),
    "entries that say they are encrypted": lambda c: _flagged(_model()),
    "an entry that lies about its size": lambda c: _lying(_model()),
    "a way to pack that skops does not use": lambda c: _repacked(_model(), zipfile.ZIP_LZMA),
    "a zip in a zip": lambda c: _zip(("schema.json", _model())),
    "a tar": lambda c: _tar(c, "w"),
    "a packed tar": lambda c: _tar(c, "w:gz"),
    "a zip cut off": lambda c: _model()[:-30],
    "another type in place of the tree": lambda c: changed(
        _tree(), lambda s: {**s, "__class__": "Popen", "__module__": "subprocess"}
    ),
    "an array that is a pickle": _pickled_array,
}


ATTACKS = [
    *(Attack(f"a schema with {name}", "skops", _with_node(make)) for name, make in NODES.items()),
    *(Attack(name, "skops", make) for name, make in ZIPS.items()),
    Attack("a tar named joblib", "joblib", lambda c: _tar(c, "w")),
]
