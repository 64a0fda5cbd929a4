"""Forest files: a forest is read as it was written, and hostile bytes are refused."""

import dataclasses
import shutil
import struct
import time

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

from registry.engines.forest import AVAILABLE, Forest
from registry.engines.forest_arrays import ForestArrays, take_arrays
from registry.engines.forest_file import from_bytes, to_bytes

ROWS = np.random.default_rng(0).normal(size=(50, 3))
REGRESSION = take_arrays(RandomForestRegressor(3, random_state=0).fit(ROWS, ROWS[:, 0]))
NAMES = np.array(["no", "yes", "pérhaps"])[(ROWS[:, 0] > 0).astype(int) + (ROWS[:, 1] > 0)]
CLASSIFICATION = take_arrays(RandomForestClassifier(3, random_state=0).fit(ROWS, NAMES))


def parts(data: bytes) -> tuple[dict[str, object], bytes]:
    length = struct.unpack_from("<I", data, 12)[0]
    return msgspec.json.decode(data[16 : 16 + length]), data[16 + length :]


def file(header: bytes, arrays: bytes, magic: bytes = b"HSFOREST", number: int = 1) -> bytes:
    header += b" " * (-len(header) % 8)
    return magic + struct.pack("<II", number, len(header)) + header + arrays


def with_header(data: bytes, **changes: object) -> bytes:
    header, arrays = parts(data)
    return file(msgspec.json.encode({**header, **changes}), arrays)


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")
def test_the_kernel_is_built_where_there_is_a_compiler() -> None:
    assert AVAILABLE


@pytest.mark.parametrize("arrays", [REGRESSION, CLASSIFICATION], ids=["numbers", "labels"])
def test_a_forest_file_restores_the_same_forest(arrays: ForestArrays) -> None:
    data = to_bytes(arrays)
    again = from_bytes(data)
    for field in dataclasses.fields(ForestArrays):
        before, after = getattr(arrays, field.name), getattr(again, field.name)
        if isinstance(before, np.ndarray):
            assert before.dtype == after.dtype
            assert np.array_equal(before, after)
        else:
            assert before == after
    assert to_bytes(again) == data
    assert not again.threshold.flags.writeable
    at_an_odd_place = memoryview(b"\0" + data)[1:]
    assert to_bytes(from_bytes(at_an_odd_place)) == data


def test_every_truncated_file_is_refused() -> None:
    data = to_bytes(CLASSIFICATION)
    for length in {*range(300), *range(300, len(data), 97)}:
        with pytest.raises(ValueError, match="forest"):
            from_bytes(data[:length])
    with pytest.raises(ValueError, match="not as long"):
        from_bytes(data + b"\0" * 8)


def test_other_bytes_are_refused() -> None:
    header, arrays = parts(to_bytes(REGRESSION))
    raw = msgspec.json.encode(header)
    for data in (
        file(raw, arrays, magic=b"HSFORESU"),
        file(raw, arrays, number=2),
        file(b"", arrays),
        file(b"null", arrays),
        file(b"[" * 100_000, arrays),
        file(b'{"task":' + b"[" * 100_000, arrays),
        file(b"\xff" * 8, arrays),
        file(raw[:-1] + b',"more":1}', arrays),
        b"HSFOREST" + struct.pack("<II", 1, 2**32 - 8) + raw,
    ):
        with pytest.raises(ValueError, match="forest"):
            from_bytes(data)


@pytest.mark.parametrize("name", ["n_features", "trees", "nodes", "leaves", "outputs"])
@pytest.mark.parametrize("size", [0, -1, 2**31, 2**63, 2**64, 10**30, 1.5, "1", None, True])
def test_sizes_out_of_range_are_refused(name: str, size: object) -> None:
    with pytest.raises(ValueError, match="forest"):
        from_bytes(with_header(to_bytes(REGRESSION), **{name: size}))


def test_large_declared_sizes_allocate_nothing() -> None:
    started = time.monotonic()
    for name in ("trees", "nodes", "leaves", "outputs"):
        with pytest.raises(ValueError, match="not as long"):
            from_bytes(with_header(to_bytes(REGRESSION), **{name: 2**31 - 1}))
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "classes",
    [
        {"dtype": "object", "labels": [], "width": 0},
        {"dtype": "object", "labels": ["a", 1]},
        {"dtype": "object", "labels": ["a", None]},
        {"dtype": "object", "labels": ["a" * 1_001]},
        {"dtype": "object", "labels": [["a"]]},
        {"dtype": "str", "labels": ["ab"], "width": 1},
        {"dtype": "str", "labels": ["ab"], "width": 2**31},
        {"dtype": "str", "labels": ["ab"], "width": -1},
        {"dtype": "int64", "labels": [True, False]},
        {"dtype": "int64", "labels": [1.0, 2.0]},
        {"dtype": "int8", "labels": [1, 128]},
        {"dtype": "uint8", "labels": [-1]},
        {"dtype": "int64", "labels": [2**63]},
        {"dtype": "bool", "labels": [0, 1]},
        {"dtype": "float32", "labels": [0.1]},
        {"dtype": "float16", "labels": [1e300]},
        {"dtype": "complex64", "labels": [1.0]},
        {"dtype": "O", "labels": ["a"]},
        {"dtype": "int64", "labels": list(range(10_001))},
        "labels",
    ],
)
def test_invalid_labels_are_refused(classes: object) -> None:
    with pytest.raises(ValueError, match=r"[Cc]lass|forest"):
        from_bytes(with_header(to_bytes(CLASSIFICATION), classes=classes))


def test_arrays_of_another_type_cannot_be_written() -> None:
    wrong = dataclasses.replace(REGRESSION, feature=REGRESSION.feature.astype(np.int64))
    with pytest.raises(ValueError, match="feature is int64"):
        to_bytes(wrong)
    endless = np.array(["a", "b", "c"], dtype="<U2000")
    with pytest.raises(ValueError, match="width"):
        to_bytes(dataclasses.replace(CLASSIFICATION, classes=endless))
    with pytest.raises(ValueError, match="finite"):
        to_bytes(dataclasses.replace(CLASSIFICATION, classes=np.array([1.0, np.nan, 2.0])))


@given(st.data())
def test_modified_files_never_crash(data: st.DataObject) -> None:
    raw = bytearray(to_bytes(data.draw(st.sampled_from([REGRESSION, CLASSIFICATION]))))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(raw) - 1) | st.integers(0, 400))
        raw[at] = data.draw(st.integers(0, 255))
    try:
        arrays = from_bytes(bytes(raw))
        forest = Forest(arrays) if AVAILABLE else None
    except ValueError:
        return
    if forest is not None and forest.n_features < 1_000:
        forest.predict(np.resize(ROWS, (20, forest.n_features)))


@given(st.binary(max_size=200))
def test_random_bytes_never_crash(raw: bytes) -> None:
    for data in (raw, b"HSFOREST" + raw, b"HSFOREST\x01\0\0\0\x08\0\0\0" + raw):
        with pytest.raises(ValueError, match="forest"):
            from_bytes(data)
