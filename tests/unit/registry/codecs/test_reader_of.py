"""Versions with the same signature share what reads their requests."""

import gc
from dataclasses import replace
from weakref import ref

import pytest

from registry.codecs.requests import reader_of
from registry.engines.served_version import ServedVersion
from registry.live.pool import LoadedVersion
from registry.signature import Column, Output, Signature


def signature(**changes):
    columns = (Column("size", "number"), Column("city", "string", nullable=True))
    return replace(Signature(columns, Output("price", "number")), **changes)


def test_equal_signatures_share_a_reader():
    assert reader_of(signature()) is reader_of(signature())


def test_loaded_versions_with_equal_signatures_share_a_reader():
    first, second = (
        LoadedVersion(ServedVersion("m", number, "onnx", "0" * 64, 1, signature(), None), None)
        for number in (1, 2)
    )

    assert first.reader is second.reader


@pytest.mark.parametrize(
    "other",
    [
        signature(inputs=(Column("size", "number"),)),
        signature(inputs=(Column("city", "string", nullable=True), Column("size", "number"))),
        signature(inputs=(Column("size", "integer"), Column("city", "string", nullable=True))),
        signature(inputs=(Column("size", "number"), Column("city", "string"))),
        signature(output=Output("price", "integer", (0, 1))),
        signature(output=Output("price", "boolean", (False, True))),
    ],
)
def test_another_signature_has_another_reader(other):
    readers = reader_of(signature()), reader_of(other)

    assert readers[0] is not readers[1]


def test_a_reader_goes_with_the_last_version_that_uses_it():
    first, second = reader_of(signature()), reader_of(signature())
    reader = ref(first)

    del first
    assert reader() is second

    del second
    gc.collect()
    assert reader() is None
