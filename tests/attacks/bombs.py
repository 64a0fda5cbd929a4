"""Small files that declare large sizes, or unpack to them."""

import io
import pickle
import zipfile
from functools import cache

import numpy as np
import onnx
from joblib.numpy_pickle import NumpyArrayWrapper
from onnx import TensorProto, helper
from sklearn.linear_model import LinearRegression

from tests.attacks.attack import Attack
from tests.attacks.nested import PACKERS
from tests.attacks.opcodes import program, written

_LARGE = 34 * 2**20


@cache
def _zeros() -> bytes:
    """A genuine model whose weights unpack to 34 MB of nothing."""
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    model.coef_ = np.zeros(_LARGE // 8)
    return written(model, "joblib")


def _wrapped(*shape: int, dtype: str = "f8") -> bytes:
    return program(NumpyArrayWrapper(np.ndarray, shape, "C", np.dtype(dtype)))


def _npy(descr: str, shape: str, data: bytes = b"\x00" * 8) -> bytes:
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}".encode()
    head += b" " * (63 - (10 + len(head)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def with_arrays(content: bytes, packing: int = zipfile.ZIP_STORED) -> bytes:
    """A genuine skops file, each of whose arrays is ``content`` instead."""
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(written(model, "skops"))) as old,
        zipfile.ZipFile(out, "w", packing, compresslevel=1) as new,
    ):
        for name in old.namelist():
            new.writestr(name, content if name.endswith(".npy") else old.read(name))
    return out.getvalue()


def _declared(*dims: int, data_type: int = TensorProto.FLOAT) -> bytes:
    """An ONNX model with a constant that declares a large size and holds eight bytes."""
    weights = TensorProto(name="w", data_type=data_type, dims=dims, raw_data=b"\x00" * 8)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [x], [y])
    graph.initializer.append(weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    return bytes(model.SerializeToString())


def _crowded() -> bytes:
    """An ONNX file of many nodes, each of two bytes."""
    return (
        bytes(onnx.ModelProto(ir_version=9).SerializeToString())
        + _field(7, b"\x0a\x00" * 200_000)
        + _field(8, b"\x10\x12")
    )


def _field(number: int, content: bytes) -> bytes:
    """A protobuf field that holds ``content``."""
    length, out = len(content), b""
    while True:
        out += bytes([length & 127 | (128 if length > 127 else 0)])
        length >>= 7
        if not length:
            return bytes([number << 3 | 2]) + out + content


ATTACKS = [
    *(
        Attack(f"34 MB packed by {name}", "joblib", lambda c, pack=pack: pack(_zeros()))
        for name, pack in PACKERS.items()
    ),
    Attack("an array of 2^60 bytes", "joblib", lambda c: _wrapped(2**57)),
    Attack("an array whose size overflows", "joblib", lambda c: _wrapped(2**32, 2**32)),
    Attack("an array of negative size", "joblib", lambda c: _wrapped(-1, -8)),
    Attack("an array whose elements are huge", "joblib", lambda c: _wrapped(64, dtype="V33554432")),
    Attack(
        "a bytearray of 2^60 bytes",
        "joblib",
        lambda c: program(pickle.BYTEARRAY8 + (2**60).to_bytes(8, "little")),
    ),
    Attack(
        "34 MB in a zip",
        "skops",
        lambda c: with_arrays(
            _npy("<f8", f"({_LARGE // 8},)", bytes(_LARGE)), zipfile.ZIP_DEFLATED
        ),
    ),
    Attack(
        "an array file of 2^60 bytes", "skops", lambda c: with_arrays(_npy("<f8", f"({2**57},)"))
    ),
    Attack(
        "an array file whose size overflows",
        "skops",
        lambda c: with_arrays(_npy("<f8", f"({2**32}, {2**32})")),
    ),
    Attack("an array file of negative size", "skops", lambda c: with_arrays(_npy("<f8", "(-1,)"))),
    Attack("an array file of objects", "skops", lambda c: with_arrays(_npy("|O", "(1,)"))),
    Attack(
        "an array file of huge elements", "skops", lambda c: with_arrays(_npy("|V99999999", "(9,)"))
    ),
    Attack(
        "an array file with a program for a head",
        "skops",
        lambda c: with_arrays(_npy("<f8", f"(__import__('os').system({c.command!r}),)")),
    ),
    Attack("a constant of 2^60 bytes", "onnx", lambda c: _declared(2**29, 2**29)),
    Attack("a constant whose size overflows", "onnx", lambda c: _declared(2**32, 2**32)),
    Attack("a constant of negative size", "onnx", lambda c: _declared(-1, -2)),
    Attack("a constant of a type of no size", "onnx", lambda c: _declared(2, 1, data_type=0)),
    Attack("200,000 nodes", "onnx", lambda c: _crowded()),
]
