"""The columns of a batch as doubles: numbers as they are, and a number for each known text."""

import gc
import math
import sys

import numpy as np
import pytest

from registry.codecs.batch import Batch
from registry.engines import row_encoder
from registry.engines.row_encoder import RowEncoder

needs_kernel = pytest.mark.skipif(not row_encoder.AVAILABLE, reason="built without a C compiler")

if row_encoder.AVAILABLE:
    from registry.engines.chain_kernel import encode


@pytest.fixture(params=[pytest.param(True, marks=needs_kernel), False], ids=["kernel", "Python"])
def _way(request, monkeypatch):
    monkeypatch.setattr(row_encoder, "AVAILABLE", request.param)


def texts(*cells):
    column = np.empty(len(cells), dtype=object)
    column[:] = cells
    return column


@pytest.mark.usefixtures("_way")
def test_texts_become_the_numbers_of_their_places():
    encoder = RowEncoder(("size", "city"), [None, ["Oslo", "Rome"]])
    cities = texts("Rome", "Oslo", "Lima", math.nan, None, "".join(["Ro", "me"]))
    batch = Batch({"city": cities, "size": np.arange(6.0)}, 6)

    sizes, codes = encoder.columns(batch)

    assert sizes.tolist() == [0, 1, 2, 3, 4, 5]
    assert codes[[0, 1, 2, 5]].tolist() == [1, 0, -1, 1]
    assert np.isnan(codes[[3, 4]]).all()
    assert np.array_equal(encoder.rows(batch), np.array([sizes, codes]).T, equal_nan=True)
    assert encoder.columns(batch, 1, 3).tolist() == [[1, 2], [0, -1]]


@pytest.mark.usefixtures("_way")
@pytest.mark.parametrize("distinct", [1, 63, 64, 65, 5_000])
def test_any_number_of_different_texts_is_told_apart(distinct):
    known = [f"text {at}" for at in range(distinct)]
    encoder = RowEncoder(("text",), [known[:4_000]])
    chosen = np.random.default_rng(distinct).integers(0, distinct, 20_000)
    batch = Batch({"text": texts(*(known[at] for at in chosen))}, len(chosen))

    (codes,) = encoder.columns(batch)

    assert codes.tolist() == [at if at < 4_000 else -1 for at in chosen.tolist()]


@pytest.mark.usefixtures("_way")
def test_columns_that_are_not_contiguous_or_have_numpy_s_texts_are_encoded():
    encoder = RowEncoder(("text",), [["a", "b"]])

    assert encoder.columns(Batch({"text": texts(*"abab")[::2]}, 2)).tolist() == [[0, 0]]
    assert encoder.columns(Batch({"text": np.array(["b", "c"])}, 2)).tolist() == [[1, -1]]


@needs_kernel
@pytest.mark.parametrize(
    ("given", "codes", "out"),
    [
        (texts("a"), {"a": 0.0}, np.empty(2)),
        (texts("a"), {"a": 0.0}, np.empty((1, 1))),
        (texts("a"), {"a": 0.0}, np.empty(1, np.float32)),
        (np.zeros(1), {"a": 0.0}, np.empty(1)),
        (np.array([["a"]], dtype=object), {"a": 0.0}, np.empty(1)),
        (texts("a"), [("a", 0.0)], np.empty(1)),
        (texts("a"), {"a": "0"}, np.empty(1)),
    ],
)
def test_the_kernel_refuses_other_arrays(given, codes, out):
    with pytest.raises((ValueError, TypeError)):
        encode(given, codes, out)


@needs_kernel
def test_the_kernel_keeps_no_reference_to_a_text():
    text = "".join(["a ", "text"])
    column = texts(*[text] * 100)
    before = sys.getrefcount(text)

    encode(column, {"a text": 1.0}, np.empty(100))
    gc.collect()

    assert sys.getrefcount(text) == before
