"""The checks of cells, and the columns made of them."""

import numpy as np
import pytest

from registry.codecs.batch import build_batch
from registry.codecs.data_frame import to_frame
from registry.codecs.requests import REQUEST_TYPES, RequestReader
from registry.errors import FormatUnsupported, InputRefused
from tests.factories import MIXED, NUMBERS
from tests.unit.registry.codecs.test_json_body import rows_of


def place(row, column):
    return f"{row}/{column.name}"


def test_columns_have_the_types_that_models_are_trained_on():
    batch = build_batch([[1, None], [2, 3.0], [True, False], ["a", None]], MIXED, place)
    frame = to_frame(batch.columns, MIXED)

    assert list(frame.columns) == list(MIXED.names)
    assert [str(kind) for kind in frame.dtypes] == ["float64", "float64", "float64", "object"]
    assert frame["age"].isna().tolist() == [False, True]
    assert frame["city"].tolist()[0] == "a"
    assert np.isnan(frame["city"].tolist()[1])


def test_faults_of_all_columns_are_named():
    with pytest.raises(InputRefused) as refused:
        build_batch([["x", 1], [1, 1.5], [True, True], ["a", "b"]], MIXED, place)

    assert [fault.at for fault in refused.value.faults] == ["0/age", "1/visits"]


@pytest.mark.parametrize("values", [[], [[], []]])
def test_a_batch_requires_a_row(values):
    with pytest.raises(InputRefused, match="empty"):
        build_batch(values, NUMBERS, place)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"'],
)
def test_the_content_type_selects_the_decoder(content_type):
    batch = RequestReader(NUMBERS).read(content_type, b'{"length": 1, "width": 2}', 1000)

    assert rows_of(batch) == [[1.0, 2.0]]


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/json; charset=latin-1", "application/octet-stream"],
)
def test_another_content_type_is_not_supported(content_type):
    with pytest.raises(FormatUnsupported):
        RequestReader(NUMBERS).read(content_type, b"{}", 1000)


def test_the_content_types_of_the_contract_are_supported():
    assert set(REQUEST_TYPES) == {
        "application/json",
        "text/csv",
        "application/vnd.apache.parquet",
        "application/vnd.apache.arrow.stream",
        "application/x-www-form-urlencoded",
    }
