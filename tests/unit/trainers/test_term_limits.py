"""How many terms of free text a model learns from depends on its rows and on its features."""

import pytest

from trainers.errors import ColumnRefused
from trainers.estimators import family_of
from trainers.term_limits import term_limit


@pytest.mark.parametrize(
    ("kind", "rows", "most"),
    [
        *(("forest", 100, 20_000), ("logistic", 5_000_000, 20_000)),  # sparse features
        *(("linear", 100, 10), ("linear", 5_000_000, 20_000)),
        *(("xgboost", 100, 1_000), ("lightgbm", 100, 1_000)),
        *(("boosting", 100, 1_000), ("boosting", 33_554, 1_000), ("boosting", 335_544, 100)),
    ],
)
def test_the_limit_of_one_column_of_text(kind, rows, most):
    assert term_limit(["said"], family_of(kind), rows) == most


def test_several_columns_share_the_memory_of_dense_features():
    assert term_limit(["said", "asked"], family_of("boosting"), 335_544) == 50


def test_data_without_texts_has_no_limit_to_refuse():
    assert term_limit([], family_of("boosting"), 10**9) == 20_000


def test_too_many_rows_for_dense_terms_are_refused_with_a_way_out():
    with pytest.raises(ColumnRefused) as refusal:
        term_limit(["said"], family_of("boosting"), 2_000_000)

    assert str(refusal.value) == (
        "The column 'said' is free text, of which boosting stores each term for each of 2,000,000 "
        "rows: 20 terms of 1 such column take more than 256 MB. Use logistic, linear, tree or "
        "forest, which store only the terms that occur, or exclude it."
    )
