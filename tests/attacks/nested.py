"""Pickles inside pickles, after pickles, and disguised as other files."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import zlib

import joblib
import numpy as np
from sklearn.linear_model import LinearRegression

from tests.attacks.attack import Attack, Canary
from tests.attacks.opcodes import Call, in_an_array, written

PACKERS = {
    "zlib": lambda content: zlib.compress(content, 6),
    "gzip": lambda content: gzip.compress(content, 6),
    "bz2": bz2.compress,
    "xz": lambda content: lzma.compress(content, preset=0),
    "lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE, preset=0),
}


def _gadget(canary: Canary) -> bytes:
    return pickle.dumps(Call(os.system, canary.command))


def _fitted() -> LinearRegression:
    return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])


def _inside(canary: Canary) -> bytes:
    model = _fitted()
    model.coef_ = Call(os.system, canary.command)
    return written(model, "joblib")


def _array(canary: Canary, dtype: object = object) -> bytes:
    return written(np.array([Call(os.system, canary.command), 1], dtype=dtype), "joblib")


def _array_in_array(canary: Canary) -> bytes:
    inner = np.array([Call(os.system, canary.command), 1], dtype=object)
    outer = np.empty(1, dtype=object)
    outer[0] = inner
    return written(outer, "joblib")


def _record(canary: Canary) -> bytes:
    record = np.empty(1, dtype=[("a", object), ("b", "f8")])
    record["a"][0] = Call(os.system, canary.command)
    return written(record, "joblib")


def _npy(canary: Canary) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Call(os.system, canary.command)], dtype=object), allow_pickle=True)
    return file.getvalue()


def cache_at(path: str) -> joblib.Memory:
    """joblib's cache on the disk, which is made where it is used and not here."""
    memory = joblib.Memory(None, verbose=0)
    memory.location = path
    return memory


def _packed(canary: Canary, name: str) -> bytes:
    return PACKERS[name](_gadget(canary))


ATTACKS = [
    Attack("a gadget in a model's weights", "joblib", _inside, fires=True),
    Attack("a gadget in an object array", "joblib", _array, fires=True),
    Attack("a gadget in an array in an array", "joblib", _array_in_array, fires=True),
    Attack("a gadget in an array of records", "joblib", _record, fires=True),
    Attack(
        "a gadget in place of an array's own pickle",
        "joblib",
        lambda c: in_an_array(_gadget(c)),
        fires=True,
    ),
    Attack(
        "a gadget behind a model", "joblib", lambda c: written(_fitted(), "joblib") + _gadget(c)
    ),
    Attack("a model behind a model", "joblib", lambda c: written(_fitted(), "joblib") * 2),
    Attack("a byte behind a model", "joblib", lambda c: written(_fitted(), "joblib") + b"\x00"),
    Attack("an array file that is a pickle", "joblib", _npy),
    Attack("a gadget named skops", "skops", _gadget),
    Attack("a gadget named onnx", "onnx", _gadget),
    *(
        Attack(
            f"a gadget packed by {name}",
            "joblib",
            lambda c, name=name: _packed(c, name),
            fires=True,
        )
        for name in PACKERS
    ),
    *(
        Attack(
            f"a gadget behind what {name} packed",
            "joblib",
            lambda c, name=name: PACKERS[name](written(_fitted(), "joblib")) + _gadget(c),
        )
        for name in PACKERS
    ),
    *(
        Attack(
            f"protocol {protocol}",
            "joblib",
            lambda c, protocol=protocol: pickle.dumps(Call(os.system, c.command), protocol),
            fires=True,
        )
        for protocol in range(6)
    ),
    Attack(
        "two streams packed one behind the other",
        "joblib",
        lambda c: gzip.compress(written(_fitted(), "joblib")) + gzip.compress(_gadget(c)),
    ),
    Attack(
        "packed twice",
        "joblib",
        lambda c: zlib.compress(zlib.compress(_gadget(c))),
    ),
    Attack(
        "the cache of joblib's Memory",
        "joblib",
        lambda c: written(cache_at(c.path), "joblib"),
    ),
]
