"""Data comes from CSV, Parquet or scikit-learn's sets, with a digest of what was read."""

import hashlib

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainers.data import BUNDLED_SETS, data_digest, read_dataset
from trainers.errors import (
    BundledSetUnknown,
    DataEmpty,
    DataMalformed,
    DataNotFound,
    DuplicateColumns,
    TooFewRows,
)


def test_a_csv_file_is_read_with_the_digest_of_its_bytes(shops_csv):
    table = read_dataset(str(shops_csv))

    assert len(table.frame) == 60
    assert table.columns[:2] == ["size", "staff"]
    assert table.sha256 == hashlib.sha256(shops_csv.read_bytes()).hexdigest()


def test_parquet_and_csv_give_the_same_table(shops, shops_csv, tmp_path):
    shops.to_parquet(tmp_path / "shops.parquet")

    pd.testing.assert_frame_equal(
        read_dataset(str(tmp_path / "shops.parquet")).frame, read_dataset(str(shops_csv)).frame
    )


def test_a_named_index_in_parquet_is_a_column_and_names_are_text(tmp_path):
    frame = pd.DataFrame({0: [1.5, 2.5], 1: [3, 4]}, index=pd.Index(["a", "b"], name="key"))
    frame.to_parquet(tmp_path / "t.parquet")

    assert read_dataset(str(tmp_path / "t.parquet")).columns == ["key", "0", "1"]


@pytest.mark.parametrize("name", BUNDLED_SETS)
def test_bundled_sets_have_a_target_and_a_stable_digest(name):
    table = read_dataset(f"sklearn:{name}")

    assert "target" in table.columns
    assert table.sha256 == read_dataset(f"sklearn:{name}").sha256


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("iris", {"setosa", "versicolor", "virginica"}),
        ("wine", {"class_0", "class_1", "class_2"}),
        ("breast_cancer", {"malignant", "benign"}),
    ],
)
def test_bundled_classes_have_their_real_names(name, classes):
    assert set(read_dataset(f"sklearn:{name}").frame["target"]) == classes


def test_an_unknown_bundled_set_is_refused_with_the_available_ones():
    with pytest.raises(BundledSetUnknown, match=r"no bundled set sklearn:irs.*sklearn:iris"):
        read_dataset("sklearn:irs")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(DataNotFound, match=r"nothing\.csv: the file does not exist"):
        read_dataset(str(tmp_path / "nothing.csv"))


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(DataNotFound, match="it is a directory"):
        read_dataset(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"\n \n"])
def test_an_empty_file_is_refused(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)

    with pytest.raises(DataEmpty, match="is empty"):
        read_dataset(str(tmp_path / "t.csv"))


def test_a_file_with_only_a_header_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n")

    with pytest.raises(DataEmpty, match="has a header and no rows"):
        read_dataset(str(tmp_path / "t.csv"))


def test_a_single_row_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")

    with pytest.raises(TooFewRows, match="has only one row"):
        read_dataset(str(tmp_path / "t.csv"))


def test_bytes_that_are_not_parquet_are_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"a,b\n1,2\n")

    with pytest.raises(DataMalformed, match="is not a Parquet file"):
        read_dataset(str(tmp_path / "t.parquet"))


def test_parquet_with_duplicate_names_is_refused(tmp_path):
    twice = pa.table([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"])
    pq.write_table(twice, tmp_path / "t.parquet")

    with pytest.raises(DuplicateColumns):
        read_dataset(str(tmp_path / "t.parquet"))


@pytest.mark.parametrize("bundled", BUNDLED_SETS)
def test_the_digest_of_a_bundled_set_is_that_of_its_table(bundled):
    data = f"sklearn:{bundled}"
    assert data_digest(data) == read_dataset(data).sha256


def test_the_digest_of_a_file_is_that_of_its_table(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text("a,b\n1,2\n3,4\n")
    assert data_digest(str(file)) == read_dataset(str(file)).sha256
    with pytest.raises(DataNotFound):
        data_digest(str(tmp_path / "none.csv"))
