"""What joblib files get in place of the classes of objects that are read as another one.

Searches and similar estimators are read as the estimator inside; estimators of XGBoost and LightGBM
as their stand-ins; sparse matrices are built again from their arrays.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from registry.errors import ArtifactRefused
from registry.formats.left_out import REPLACED
from registry.formats.library_boosters import BOOSTERS, STAND_INS, is_parameter, kept_attributes
from registry.formats.sparse_rows import SPARSE

_PLAIN = frozenset({bool, int, float, str, type(None)})


class Replaced:
    """An estimator that is read as one of its ``attributes``."""

    attributes: Sequence[str] = ()

    def read(self, state: Mapping[str, Any]) -> Any:
        """What is read in its place, given its ``state``."""
        return next((state[key] for key in self.attributes if state.get(key) is not None), None)


class _Booster(Replaced):
    """A booster of XGBoost or LightGBM, whose ``state`` its estimator needs."""

    state: Mapping[str, Any] = MappingProxyType({})

    def read(self, state: Mapping[str, Any]) -> Any:
        self.state = state
        return self


class _Estimator(Replaced):
    """An estimator of XGBoost or LightGBM, called ``full_name``."""

    full_name = ""

    def read(self, state: Mapping[str, Any]) -> Any:
        module, _, name = STAND_INS[self.full_name].rpartition(".")
        made = getattr(import_module(module), name)()
        vars(made).update(_kept(self.full_name, state))
        return made


def _kept(name: str, state: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of the stand-in for the library's estimator ``name`` with ``state``."""
    kept = {
        key: value
        for key, value in state.items()
        if type(key) is str and is_parameter(key) and type(value) in _PLAIN
    }
    for key, places in kept_attributes(name).items():
        for first, *inner in places:
            value = state.get(first)
            for attribute in inner:
                value = value.state.get(attribute) if isinstance(value, _Booster) else None
            if value is not None:
                kept[key] = bytes(value) if type(value) is bytearray else value
                break
    return kept


class _Sparse(Replaced):
    """A CSR matrix of scipy, called ``full_name``: built again from its arrays."""

    full_name = ""

    def read(self, state: Mapping[str, Any]) -> Any:
        module, _, name = self.full_name.rpartition(".")
        parts = tuple(state.get(key) for key in ("data", "indices", "indptr"))
        shape = state.get("_shape")
        arrays = all(type(each) is np.ndarray and each.dtype.kind in "bfiu" for each in parts)
        if not arrays or type(shape) is not tuple or [type(each) for each in shape] != [int, int]:
            raise ArtifactRefused(f"The artifact has a {name} without its arrays or its shape.")
        try:
            return getattr(import_module(module), name)(parts, shape=shape)
        except ValueError as error:
            detail = f"The artifact has a {name} that is not valid: {error}."
            raise ArtifactRefused(detail) from error


def _as_given(value: Any = None, *_: Any) -> Any:
    """The bytes of a bytearray, and an empty dictionary for those of LightGBM, whose items follow
    in the file."""
    return value if type(value) is bytes else {}


def _class(name: str, base: type[Replaced], **attributes: Any) -> type[Replaced]:
    module, _, short = name.rpartition(".")
    return type(short, (base,), {"__module__": module, **attributes})


CALLED: Mapping[str, Callable[..., Any]] = {
    **{name: _class(name, Replaced, attributes=held) for name, held in REPLACED.items()},
    **{name: _class(name, _Booster) for name in BOOSTERS},
    **{name: _class(name, _Estimator, full_name=name) for name in STAND_INS},
    **{name: _class(name, _Sparse, full_name=name) for name in SPARSE},
    "builtins.bytearray": _as_given,
    "collections.OrderedDict": _as_given,
    "collections.defaultdict": _as_given,
}
"""What is called in place of each class, by its full name."""
