"""joblib files: a pickle with arrays in it. Only exact names of the allow-list are loaded.

Needs joblib 1.6: before it, object arrays were unpickled past a restricted ``find_class``.
"""

import io
import pickle
from math import prod
from typing import Any, BinaryIO

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler

from registry.errors import ArtifactRefused, shown
from registry.formats.allowed import PICKLE_GLOBALS
from registry.formats.joblib_stand_ins import CALLED, Replaced
from registry.formats.left_out import LEFT_OUT, SELECTED_TYPES
from registry.formats.places import place_of
from registry.formats.refusing import why_not
from registry.formats.structure import is_dunder
from registry.formats.tree_structure import check_arguments, check_state
from registry.formats.ufuncs import UFUNCS
from registry.formats.unpacking import unpacked_file

_UNWRITTEN = b"".join(
    [
        *(pickle.NEWOBJ_EX, pickle.INST, pickle.OBJ, pickle.PERSID, pickle.BINPERSID),
        *(pickle.EXT1, pickle.EXT2, pickle.EXT4),
    ]
)
"""Opcodes that create objects in ways that joblib does not use."""

_KEYS = frozenset({type(None), bool, int, float, str, bytes})
_WRAPPER = frozenset({"subclass", "shape", "order", "dtype", "allow_mmap"})


MAX_REPLACED = 1_000
"""Objects of a file that stand for others: searches and sparse matrices."""
_MAX_REFUSED = 20
"""Names that are kept; further ones stand for the last."""


class _Refused:
    """Stands for what a global that is not allowed would be, so that its place is known.

    Calling it, or setting its state, leaves it as it is.
    """

    def __init__(self, name: str) -> None:
        self.name = name


class _Remaining:
    """A file whose reads are checked against its rest: a reader reserves memory before it reads."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self.readline = file.readline
        self.tell = file.tell

    def check_left(self, asked: int) -> None:
        """Raises ArtifactRefused where fewer than ``asked`` bytes remain."""
        left = self._size - self._file.tell()
        if asked > left:
            raise ArtifactRefused(
                f"The artifact is truncated: it states that {asked} bytes follow, and {left} do."
            )

    def read(self, size: int) -> bytes:
        self.check_left(size)
        return self._file.read(size)

    def readinto(self, buffer: bytearray) -> int:
        self.check_left(len(buffer))
        buffer[:] = self._file.read(len(buffer))
        return len(buffer)

    def at_end(self) -> bool:
        return self._file.tell() == self._size


class _RestrictedUnpickler(NumpyUnpickler):  # type: ignore[misc]  # joblib publishes no types
    def __init__(self, file: _Remaining) -> None:
        super().__init__("", file, ensure_native_byte_order=True)
        self._trees: list[Any] = []
        # By id, and kept alive so that no id is reused.
        self._named: dict[int, Any] = {}
        self._made: dict[int, Any] = {}
        self._refused: list[_Refused] = []
        self._replaced = 0

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in LEFT_OUT or full in SELECTED_TYPES:
            return None
        if "." in name or full not in PICKLE_GLOBALS | CALLED.keys():
            if len(self._refused) < _MAX_REFUSED:
                self._refused.append(_Refused(full))
            return self._refused[-1]
        if full in UFUNCS:
            return UFUNCS[full]
        found = CALLED.get(full) or super().find_class(module, name)
        self._named[id(found)] = found
        return found

    def load_reduce(self) -> None:
        if not self._skips_call():
            self._check_call(self.stack[-2], self.stack[-1])
            super().load_reduce()
            self._keep_made()

    def load_newobj(self) -> None:
        if not self._skips_call():
            self._check_call(self.stack[-2], self.stack[-1])
            super().load_newobj()
            self._keep_made()

    def refusal(self, model: Any = None) -> ArtifactRefused | None:
        """The refusal of the first global that is not allowed, with its place in ``model``.

        None where there is none, or only in what a search contains besides its best estimator.
        """
        for marker in self._refused:
            place = place_of(model, marker)
            if place or marker is model or model is None or not self._replaced:
                return ArtifactRefused(
                    f"The artifact names the global {shown(marker.name, 200)}{place}: "
                    f"{why_not(marker.name)}"
                )
        return None

    def _skips_call(self) -> bool:
        """Leave out the call of what is left out or refused: it stays what it is."""
        if not isinstance(self.stack[-2], _Refused | None):
            return False
        del self.stack[-1]
        return True

    def _replace(self, target: Replaced, state: Any) -> None:
        """Put the estimator that ``target`` predicts with in its place."""
        self._replaced += 1
        if type(state) is not dict or self._replaced > MAX_REPLACED:
            raise ArtifactRefused(
                f"The artifact has a {type(target).__name__} without attributes, or more than "
                f"{MAX_REPLACED} of such estimators."
            )
        found = target.read(state)
        self.stack[-1] = found
        for key, each in self.memo.items():
            if each is target:
                self.memo[key] = found

    def load_build(self) -> None:
        target, state = self.stack[-2:]
        if isinstance(target, _Refused | Replaced | None):
            del self.stack[-1]
            if isinstance(target, Replaced):
                self._replace(target, state)
            return
        # A class or a function is shared with everything else that this process loads.
        if id(target) not in self._made or isinstance(target, type):
            raise ArtifactRefused(
                "The artifact sets the state of an object that it has not created."
            )
        _check_state(target, state)
        if type(target).__name__ == "Tree":
            # scikit-learn copies a second state over the first without allocating memory for it.
            if any(target is built for built in self._trees):
                raise ArtifactRefused("The artifact sets the state of a tree twice.")
            self._trees.append(target)
            check_state(state)
        if isinstance(target, NumpyArrayWrapper):
            self._check_left(state)
        if isinstance(target, NumpyArrayWrapper) and state["dtype"].hasobject:
            # joblib would read these from a nested pickle, restricted only by find_class.
            del self.stack[-2:]
            inner = _RestrictedUnpickler(self.file_handle)
            inner._refused = self._refused
            array = inner.load()
            if type(array) is not np.ndarray:
                raise ArtifactRefused("The artifact has another object where an array is expected.")
            self.stack.append(array)
        else:
            super().load_build()
        _check_dtype(self.stack[-1])

    def _check_left(self, state: dict[str, Any]) -> None:
        """An array, which is allocated before it is read, may be no larger than the file's rest.

        An array of objects is read from a pickle, which is checked as it is read.
        """
        if not state["dtype"].hasobject:
            self.file_handle.check_left(prod(state["shape"]) * state["dtype"].itemsize)

    def _check_call(self, called: Any, arguments: Any) -> None:
        if id(called) not in self._named:
            raise ArtifactRefused("The artifact calls an object that it has not named.")
        # It may be named, but a call would lay an array over bytes, including one of pointers.
        if called is np.ndarray:
            raise ArtifactRefused("The artifact calls numpy.ndarray: not allowed.")
        if isinstance(called, type) and called.__name__ == "Tree":
            check_arguments(arguments)

    def _keep_made(self) -> None:
        made = self.stack[-1]
        _check_dtype(made)
        if id(made) not in self._named:
            self._made[id(made)] = made

    # On any other object these would call a method that the file may have defined.

    def load_append(self) -> None:
        _check_collection(self.stack[-2], list)
        super().load_append()

    def load_appends(self) -> None:
        _check_collection(self.metastack[-1][-1], list)
        super().load_appends()

    def load_setitem(self) -> None:
        _check_collection(self.stack[-3], dict)
        _check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        _check_collection(self.metastack[-1][-1], dict)
        _check_keys(self.stack[::2])
        super().load_setitems()

    def load_additems(self) -> None:
        _check_collection(self.metastack[-1][-1], set)
        _check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        _check_keys(self.stack)
        super().load_frozenset()

    def load_dict(self) -> None:
        _check_keys(self.stack[::2])
        super().load_dict()

    def _refuse_opcode(self) -> None:
        raise ArtifactRefused("The artifact uses a pickle opcode that joblib does not write.")

    dispatch = {
        **NumpyUnpickler.dispatch,
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.BUILD[0]: load_build,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
        pickle.DICT[0]: load_dict,
        **dict.fromkeys(_UNWRITTEN, _refuse_opcode),
    }


def _check_collection(target: Any, kind: type) -> None:
    if not issubclass(type(target), kind):
        raise ArtifactRefused(
            f"The artifact adds items to a {type(target).__name__}, which is not a collection."
        )


def _check_keys(keys: list[Any]) -> None:
    """Python hashes keys: an object's own hash could be slow, that of nested tuples endless."""
    for key in keys:
        if type(key) not in _KEYS and not isinstance(key, np.generic):
            raise ArtifactRefused(f"The artifact uses a {type(key).__name__} as a key.")


def _check_state(target: Any, state: Any) -> None:
    """Only attributes may be set, and none that Python itself looks up."""
    name = type(target).__name__
    if isinstance(target, NumpyArrayWrapper):
        _check_wrapper(state)
    elif type(state) is dict:
        if any(type(key) is not str or is_dunder(key) for key in state):
            raise ArtifactRefused(f"The artifact sets attributes of a {name} that are not allowed.")
    elif hasattr(target, "__dict__") or not hasattr(type(target), "__setstate__"):
        raise ArtifactRefused(f"The artifact sets a state of a {name} that is not its attributes.")


def _check_wrapper(state: Any) -> None:
    """joblib calls methods of these values."""
    shape = state.get("shape") if type(state) is dict else None
    if (
        type(shape) is not tuple
        or not _WRAPPER <= state.keys() <= _WRAPPER | {"numpy_array_alignment_bytes"}
        or any(type(length) is not int or length < 0 for length in shape)
        or state["subclass"] is not np.ndarray
        or not isinstance(state["dtype"], np.dtype)
        or type(state["order"]) is not str
        or type(state["allow_mmap"]) is not bool
        or type(state.get("numpy_array_alignment_bytes")) not in {int, type(None)}
    ):
        raise ArtifactRefused("The artifact has an invalid description of an array.")


def _check_dtype(value: Any) -> None:
    """A dtype's state may hide that it has pointers, or place a field outside its size."""
    if not isinstance(value, np.dtype):
        return
    for field, offset, *_ in (value.fields or {}).values():
        if field.kind == "O" or field.fields or offset + field.itemsize > value.itemsize:
            raise ArtifactRefused("The artifact has a record type that is not allowed.")
    whole = value.base
    if whole.kind == "O" and (whole.flags != np.dtype(object).flags or value.subdtype):
        raise ArtifactRefused("The artifact has a forged type of object arrays.")


def read_joblib(file: BinaryIO) -> Any:
    """The object in a joblib file. Raises ArtifactRefused."""
    unpacked = _Remaining(unpacked_file(file))
    unpickler = _RestrictedUnpickler(unpacked)
    try:
        model = unpickler.load()
    except ArtifactRefused as error:
        raise (unpickler.refusal() or error) from None
    except RecursionError as error:
        raise ArtifactRefused("The artifact is nested too deeply.") from error
    except Exception as error:
        if (refusal := unpickler.refusal()) is not None:
            raise refusal from error
        raise ArtifactRefused(
            f"The artifact is not a complete joblib file: {type(error).__name__}: {error}"
        ) from error
    if (refusal := unpickler.refusal(model)) is not None:
        raise refusal
    if not unpacked.at_end():
        raise ArtifactRefused("The artifact has bytes after the end of its pickle.")
    return model
