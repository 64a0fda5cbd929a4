"""Pickles assembled opcode by opcode."""

import io
import pickle
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import skops.io


class Call:
    """Pickles to a call of ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


class Stated:
    """Pickles to an object of ``kind`` whose state is set to ``state``, whatever that is."""

    def __init__(self, kind: type, state: Any) -> None:
        self.kind, self.state = kind, state

    def __reduce__(self) -> tuple[Any, ...]:
        import copyreg

        return copyreg.__newobj__, (self.kind,), self.state


def program(*parts: Any) -> bytes:
    """A pickle of saved values and, as bytes, bare opcodes."""
    file = io.BytesIO(pickle.PROTO + b"\x04")
    file.seek(2)
    pickler = pickle._Pickler(file, protocol=4)
    for part in parts:
        if isinstance(part, bytes):
            file.write(part)
        else:
            pickler.save(part)
    file.write(pickle.STOP)
    return file.getvalue()


def text(value: str) -> bytes:
    """The opcode that pushes ``value``."""
    raw = value.encode()
    return pickle.BINUNICODE + len(raw).to_bytes(4, "little") + raw


def named(module: str, name: str) -> bytes:
    """The opcodes that push a global."""
    return text(module) + text(name) + pickle.STACK_GLOBAL


def called(module: str, name: str, *arguments: Any) -> bytes:
    """The opcodes that call a global with texts and numbers."""
    pushed = b"".join(
        text(item) if isinstance(item, str) else pickle.BININT + item.to_bytes(4, "little")
        for item in arguments
    )
    return named(module, name) + pickle.MARK + pushed + pickle.TUPLE + pickle.REDUCE


def in_an_array(content: bytes) -> bytes:
    """A joblib file of an object array, whose own pickle is ``content``."""
    file = io.BytesIO()
    array = np.array([None, 1], dtype=object)
    joblib.dump(array, file)
    outer, _, rest = file.getvalue().partition(pickle.dumps(array, protocol=5))
    return outer + content + rest


def written(model: Any, format: str) -> bytes:
    """The file that joblib writes of ``model``."""
    file = io.BytesIO()
    if format == "skops":
        skops.io.dump(model, file)
    else:
        joblib.dump(model, file)
    return file.getvalue()
