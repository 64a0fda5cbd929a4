"""Reads the fields of XGBoost's JSON and UBJSON files, and checks their types."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from registry.engines.boosting.ubjson import read_ubjson
from registry.errors import ArtifactRefused, shown

T = TypeVar("T")
_WORDS: Mapping[type, str] = {dict: "an object", str: "a text", int: "an integer"}


def read_document(data: bytes) -> dict[str, Any]:
    """The object in ``data``, a JSON or UBJSON file. Raises ArtifactRefused, as all here do."""
    # After the brace, JSON has a quote or a space, and UBJSON the type of a length.
    is_json = data[:1] == b"{" and data[1:2] in b'" \t\r\n'
    try:
        whole = msgspec.json.decode(data) if is_json else read_ubjson(data)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ArtifactRefused(f"The artifact is not an XGBoost model: {error}") from error
    if not isinstance(whole, dict):
        raise ArtifactRefused("The artifact is not an XGBoost model: expected an object.")
    return whole


def read_member(value: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """The member ``name``, which must be of ``kind``."""
    found = value.get(name)
    if not isinstance(found, kind) or isinstance(found, bool):
        raise ArtifactRefused(
            f"The XGBoost model has no valid '{name}': expected {_WORDS.get(kind, kind.__name__)}."
        )
    return found


def read_count(params: Mapping[str, Any], name: str, default: int | None = None) -> int:
    """A number of things, which XGBoost writes as a text."""
    if name not in params and default is not None:
        return default
    text = read_member(params, name, str)
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ArtifactRefused(f"The XGBoost model has the invalid {name} {shown(text)}.")
    return int(text)


def read_integers(value: Mapping[str, Any], name: str, at: str) -> NDArray[np.int64]:
    """A list of integers that fit in 32 bits."""
    array = _array(value, name, at)
    if array.dtype.kind not in "biu" and len(array):
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} has other than integers.")
    if len(array) and (array.min() < -(2**31) or array.max() >= 2**31):
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} has an integer out of range.")
    return array.astype(np.int64)


def read_numbers(
    value: Mapping[str, Any], name: str, at: str, kind: type = np.float32
) -> NDArray[Any]:
    """A list of numbers as an array of ``kind``, infinite where they are too large for it."""
    array = _array(value, name, at)
    if array.dtype.kind not in "iuf" and len(array):
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} has other than numbers.")
    with np.errstate(over="ignore"):
        return array.astype(kind)


def _array(value: Mapping[str, Any], name: str, at: str) -> NDArray[Any]:
    found = value.get(name)
    if isinstance(found, np.ndarray):
        return found
    if not isinstance(found, list):
        raise ArtifactRefused(f"The XGBoost model has no valid '{name}' of {at}: expected a list.")
    try:
        array = np.array(found) if found else np.empty(0)
    except (ValueError, OverflowError) as error:
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} is invalid.") from error
    if array.ndim != 1:
        raise ArtifactRefused(f"The XGBoost model's '{name}' of {at} is not a flat list.")
    return array
