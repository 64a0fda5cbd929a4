"""How many terms of free text a model learns from, at most."""

from collections.abc import Sequence

from registry.text_encoder import MAX_TERMS
from trainers.errors import ColumnRefused
from trainers.estimators.family import Family

ROWS_A_TERM = 10
MAX_DENSE_TERMS = 1_000
MIN_DENSE_TERMS = 20
DENSE_CELLS = 2**25
"""Terms times rows where features are dense: 256 MB."""


def term_limit(texts: Sequence[str], family: Family, rows: int) -> int:
    """The most terms of each of the columns ``texts``, learnt by ``family`` from ``rows`` rows.

    Least squares without regularisation need many more rows than features. Dense features take
    memory for every term in every row; raises ColumnRefused where too few terms would be left.
    """
    if family.kind == "linear":
        return max(1, min(MAX_TERMS, rows // ROWS_A_TERM))
    if not family.dense or not texts:
        return MAX_TERMS
    most = min(MAX_DENSE_TERMS, DENSE_CELLS // (rows * len(texts)))
    if most < MIN_DENSE_TERMS:
        columns = "column" if len(texts) == 1 else "columns"
        raise ColumnRefused(
            texts[0],
            f"is free text, of which {family.kind} stores each term for each of {rows:,} rows: "
            f"{MIN_DENSE_TERMS} terms of {len(texts)} such {columns} take more than "
            f"{8 * DENSE_CELLS // 2**20} MB",
            "Use logistic, linear, tree or forest, which store only the terms that occur, or "
            "exclude it.",
        )
    return most
