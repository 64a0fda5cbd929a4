"""Large files to predict."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

ROWS = 1_500_000


def write_rows(path: Path, count: int) -> pa.Table:
    """Random irises with an id, in row groups of a quarter million."""
    drawn = np.random.default_rng(0).uniform(0.1, 7.9, (4, count)).round(2)
    columns = {f"x{place}": cells for place, cells in enumerate(drawn)}
    table = pa.table({"id": np.arange(count), **columns})
    pa.parquet.write_table(table, path, row_group_size=250_000)
    return table
