"""Allowed objects in a state that no fit produces, and misuse of the stack."""

import os
import pickle

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch

from tests.attacks.attack import Attack
from tests.attacks.opcodes import Call, called, in_an_array, named, program, text


def _laughs() -> bytes:
    """A list of two lists of two lists of …, sixty deep, each there once."""
    body = pickle.EMPTY_LIST + pickle.BINPUT + b"\x00" + pickle.POP
    for level in range(1, 60):
        got = pickle.BINGET + bytes([level - 1])
        body += pickle.MARK + got + got + pickle.LIST + pickle.BINPUT + bytes([level]) + pickle.POP
    return program(body, pickle.BINGET + bytes([59]))


def _slow_key() -> bytes:
    """The same of tuples, as a key: Python would hash two to the sixtieth of them."""
    body = pickle.EMPTY_TUPLE + pickle.BINPUT + b"\x00" + pickle.POP
    for level in range(1, 60):
        got = pickle.BINGET + bytes([level - 1])
        body += got + got + pickle.TUPLE2 + pickle.BINPUT + bytes([level]) + pickle.POP
    return program(
        pickle.EMPTY_DICT, body, pickle.BINGET + bytes([59]), pickle.NONE, pickle.SETITEM
    )


STATES = {
    "of a class": lambda c: program(LinearRegression, (None, {"predict": slice}), pickle.BUILD),
    "of joblib's class": lambda c: program(
        NumpyArrayWrapper, (None, {"read": os.system}), pickle.BUILD
    ),
    "in slots": lambda c: program(LinearRegression(), ({}, {"predict": 1}), pickle.BUILD),
    "that is a method": lambda c: program(
        LinearRegression(), {"__setstate__": slice}, pickle.BUILD
    ),
    "that is a class": lambda c: program(LinearRegression(), {"__class__": Bunch}, pickle.BUILD),
    "that is a dictionary of attributes": lambda c: program(
        LinearRegression(), {"__dict__": {}}, pickle.BUILD
    ),
    "with a name that is no text": lambda c: program(LinearRegression(), {1: 2}, pickle.BUILD),
    "that replaces predict": lambda c: program(
        LinearRegression(), {"predict": Bunch}, pickle.BUILD
    ),
    "that replaces get_params": lambda c: program(
        Pipeline([]), {"get_params": Bunch, "steps": []}, pickle.BUILD
    ),
    "of a module": lambda c: program(named("os", "path"), {"join": slice}, pickle.BUILD),
    "of a type of numbers": lambda c: program(np.float64, (None, {"x": 1}), pickle.BUILD),
    "that describes no array": lambda c: program(
        NumpyArrayWrapper(np.ndarray, (1,), "C", np.dtype("f8")), {"shape": 1}, pickle.BUILD
    ),
}
GAMES = {
    "nothing but an end": lambda c: b"\x80\x04.",
    "no end": lambda c: b"\x80\x04N",
    "an end before anything": lambda c: b".",
    "a protocol that is not there": lambda c: b"\x80\xffN.",
    "a mark that is missing": lambda c: program(pickle.TUPLE),
    "one pop too many": lambda c: program(pickle.POP, pickle.POP),
    "a memo that is empty": lambda c: program(pickle.BINGET + b"\x09"),
    "a memo far out": lambda c: program(
        pickle.NONE, pickle.LONG_BINPUT + b"\xff\xff\xff\xff", pickle.BINGET + b"\x09"
    ),
    "a memo that is written twice": lambda c: program(
        text("posix"),
        pickle.BINPUT + b"\x01",
        text("system"),
        pickle.BINPUT + b"\x01",
        pickle.STACK_GLOBAL,
        text(c.command),
        pickle.TUPLE1,
        pickle.REDUCE,
    ),
    "a frame longer than the file": lambda c: program(pickle.FRAME + b"\xff" * 7 + b"\x00"),
    "bytes longer than the file": lambda c: program(pickle.BINBYTES8 + b"\xff" * 7 + b"\x00"),
    "a text longer than the file": lambda c: program(pickle.BINUNICODE8 + b"\xff" * 7 + b"\x00"),
    "a number of negative length": lambda c: program(pickle.LONG4 + b"\xff\xff\xff\xff"),
    "a buffer from outside": lambda c: program(pickle.NEXT_BUFFER),
    "a call of what was not named": lambda c: program(text("x"), pickle.EMPTY_TUPLE, pickle.REDUCE),
    "a call that is left on the stack": lambda c: program(
        called("posix", "system", c.command), pickle.POP, LinearRegression()
    ),
    "a list in lists, sixty deep": lambda c: _laughs(),
    "a key that takes for ever": lambda c: _slow_key(),
    "a model as a key": lambda c: program(
        pickle.EMPTY_DICT, LinearRegression(), pickle.NONE, pickle.SETITEM
    ),
    "a model filled like a list": lambda c: program(LinearRegression(), 1, pickle.APPEND),
    "lists in lists, deeper than the stack": lambda c: (
        b"\x80\x04" + pickle.EMPTY_LIST * 100_000 + pickle.APPEND * 99_999 + b"."
    ),
}
_FIRING = frozenset({"a call that is left on the stack"})
ATTACKS = [
    *(Attack(f"a state {name}", "joblib", make) for name, make in STATES.items()),
    *(
        Attack(
            f"a state {name}, in an object array",
            "joblib",
            lambda c, make=make: in_an_array(make(c)),
        )
        for name, make in list(STATES.items())[:3]
    ),
    *(Attack(name, "joblib", make, fires=name in _FIRING) for name, make in GAMES.items()),
    Attack(
        "an array of pointers",
        "joblib",
        lambda c: pickle.dumps(Call(np.ndarray, (1,), np.dtype(object), b"\x01" * 8)),
    ),
]
