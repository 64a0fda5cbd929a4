"""Pickles that call something when they are read: one for each kind of harm."""

import builtins
import functools
import importlib
import itertools
import logging
import marshal
import operator
import os
import pathlib
import pickle
import pty
import runpy
import shutil
import socket
import subprocess
import tempfile
import timeit
import urllib.request
from collections.abc import Callable
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.datasets import get_data_home

from tests.attacks.attack import Attack, Canary
from tests.attacks.opcodes import Call, named, program


def _nested(canary: Canary) -> str:
    """A pickle on the disk that runs something when it is loaded."""
    path = canary.folder / ".pickle"
    path.write_bytes(pickle.dumps(Call(os.system, canary.command)))
    return str(path)


def _npy(canary: Canary) -> str:
    path = canary.folder / ".npy"
    with path.open("wb") as file:
        np.save(file, np.array([Call(os.system, canary.command)], dtype=object), allow_pickle=True)
    return str(path)


def _function(canary: Canary) -> bytes:
    """Code that is not named anywhere, made into a function and called."""
    code = Call(marshal.loads, marshal.dumps(compile(canary.code, "attack", "exec")))
    made = (named("types", "FunctionType"), code, {}, pickle.TUPLE2, pickle.REDUCE)
    return program(*made, pickle.EMPTY_TUPLE, pickle.REDUCE)


GADGETS: dict[str, Callable[[Canary], Any]] = {
    "os.system": lambda c: Call(os.system, c.command),
    "os.popen": lambda c: Call(os.popen, c.command),
    "os.mkdir": lambda c: Call(os.mkdir, c.path),
    "os.makedirs": lambda c: Call(os.makedirs, c.path),
    "os.mkfifo": lambda c: Call(os.mkfifo, c.path),
    "os.symlink": lambda c: Call(os.symlink, "/etc/passwd", c.path),
    "os.link": lambda c: Call(os.link, c.script, c.path),
    "os.rename": lambda c: Call(os.rename, c.script, c.path),
    "os.open": lambda c: Call(os.open, c.path, os.O_CREAT | os.O_WRONLY),
    "os.execvp": lambda c: Call(os.execvp, "touch", ["touch", c.path]),
    "os.spawnlp": lambda c: Call(os.spawnlp, os.P_WAIT, "touch", "touch", c.path),
    "os.posix_spawnp": lambda c: Call(os.posix_spawnp, "touch", ["touch", c.path], {}),
    "subprocess.run": lambda c: Call(subprocess.run, ["touch", c.path]),
    "subprocess.call": lambda c: Call(subprocess.call, ["touch", c.path]),
    "subprocess.check_output": lambda c: Call(subprocess.check_output, ["touch", c.path]),
    "subprocess.getoutput": lambda c: Call(subprocess.getoutput, c.command),
    "subprocess.Popen": lambda c: Call(subprocess.Popen, ["touch", c.path]),
    "pty.spawn": lambda c: Call(pty.spawn, ["touch", c.path]),
    "builtins.eval": lambda c: Call(eval, c.code),
    "builtins.exec": lambda c: Call(exec, c.code),
    "builtins.open": lambda c: Call(open, c.path, "w"),
    "builtins.getattr": lambda c: Call(
        operator.call, Call(getattr, Call(importlib.import_module, "os"), "system"), c.command
    ),
    "builtins.map": lambda c: Call(list, Call(map, os.system, [c.command])),
    "builtins.filter": lambda c: Call(list, Call(filter, os.system, [c.command])),
    "builtins.max with a key": lambda c: Call(functools.partial(max, key=os.system), [c.command]),
    "builtins.__import__": lambda c: Call(
        operator.methodcaller("system", c.command), Call(builtins.__import__, "os")
    ),
    "importlib.import_module": lambda c: Call(
        operator.methodcaller("system", c.command), Call(importlib.import_module, "posix")
    ),
    "importlib.machinery": lambda c: Call(
        operator.methodcaller("load_module"),
        Call(importlib.machinery.SourceFileLoader, "attack", c.script),
    ),
    "runpy.run_path": lambda c: Call(runpy.run_path, c.script),
    "timeit.timeit": lambda c: Call(timeit.timeit, c.code, "pass", timeit.default_timer, 1),
    "functools.partial": lambda c: Call(functools.partial(os.system, c.command)),
    "functools.reduce": lambda c: Call(functools.reduce, os.open, [c.path, 65]),
    "itertools.starmap": lambda c: Call(list, Call(itertools.starmap, os.system, [(c.command,)])),
    "shutil.copyfile": lambda c: Call(shutil.copyfile, c.script, c.path),
    "shutil.move": lambda c: Call(shutil.move, c.script, c.path),
    "pathlib touch": lambda c: Call(operator.methodcaller("touch"), pathlib.Path(c.path)),
    "logging.FileHandler": lambda c: Call(logging.FileHandler, c.path),
    "tempfile.mkstemp": lambda c: Call(tempfile.mkstemp, "", "x", str(c.folder)),
    "socket.create_connection": lambda c: Call(socket.create_connection, ("127.0.0.1", c.port)),
    "urllib.request": lambda c: Call(
        urllib.request.urlopen, f"http://127.0.0.1:{c.port}", None, 0.2
    ),
    "numpy.savetxt": lambda c: Call(np.savetxt, c.path, [1.0]),
    "numpy.save": lambda c: Call(np.save, c.path, 1),
    "numpy.load": lambda c: Call(np.load, _npy(c), None, True),
    "numpy.memmap": lambda c: Call(np.memmap, c.path, "uint8", "w+", 0, (1,)),
    "numpy.vectorize": lambda c: Call(Call2(np.vectorize, os.system), [c.command]),
    "numpy.apply_along_axis": lambda c: Call(
        np.apply_along_axis, operator.methodcaller("tofile", c.path), 0, np.zeros(1)
    ),
    "joblib.load": lambda c: Call(joblib.load, _nested(c)),
    "joblib.dump": lambda c: Call(joblib.dump, 1, c.path),
    "pickle.loads": lambda c: Call(pickle.loads, pickle.dumps(Call(os.system, c.command))),
    "pandas.read_pickle": lambda c: Call(pd.read_pickle, _nested(c)),
    "pandas.DataFrame.to_csv": lambda c: Call(
        operator.methodcaller("to_csv", c.path), pd.DataFrame({"a": [1]})
    ),
    "pandas.eval": lambda c: Call(
        operator.methodcaller(
            "eval", "@f(@p)", local_dict={"f": os.mkdir, "p": c.path}, engine="python"
        ),
        pd.DataFrame({"a": [1]}),
    ),
    "sklearn.datasets": lambda c: Call(get_data_home, c.path),
}


class Call2:
    """Pickles to what a call makes, to be called in its turn."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._call

    def __call__(self) -> None:
        """Makes pickle accept it as a callable."""


SILENT: dict[str, Callable[[Canary], Any]] = {
    "os._exit": lambda c: Call(os._exit, 0),
    "os.abort": lambda c: Call(os.abort),
    "os.kill": lambda c: Call(os.kill, Call(os.getppid), 9),
    "os.fork": lambda c: Call(os.fork),
    "time.sleep": lambda c: Call(importlib.import_module("time").sleep, 3600),
    "sys.exit": lambda c: Call(importlib.import_module("sys").exit),
    "sys.setrecursionlimit": lambda c: Call(
        importlib.import_module("sys").setrecursionlimit, 10**6
    ),
    "resource.setrlimit": lambda c: Call(importlib.import_module("resource").setrlimit, 7, (0, 0)),
    "signal.signal": lambda c: Call(importlib.import_module("signal").signal, 15, 1),
    "ctypes.CDLL": lambda c: Call(importlib.import_module("ctypes").CDLL, c.path),
    "ctypes.string_at": lambda c: Call(importlib.import_module("ctypes").string_at, 8, 8),
    "faulthandler": lambda c: Call(importlib.import_module("faulthandler")._sigsegv),
    "builtins.input": lambda c: Call(input),
    "builtins.bytearray": lambda c: Call(bytearray, 2**40),
    "gc.get_objects": lambda c: Call(importlib.import_module("gc").get_objects),
    "inspect.currentframe": lambda c: Call(importlib.import_module("inspect").currentframe),
    "warnings.filterwarnings": lambda c: Call(
        importlib.import_module("warnings").filterwarnings, "ignore"
    ),
}
"""These end, stop or spy rather than write; they are refused at the same place."""


def _pickled(made: Callable[[Canary], Any]) -> Callable[[Canary], bytes]:
    return lambda canary: pickle.dumps(made(canary), protocol=4)


ATTACKS = [
    *(
        Attack(f"calls {name}", "joblib", _pickled(made), fires=True)
        for name, made in GADGETS.items()
    ),
    *(Attack(f"calls {name}", "joblib", _pickled(made)) for name, made in SILENT.items()),
    Attack("calls code of its own", "joblib", _function, fires=True),
]
