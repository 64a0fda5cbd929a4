"""Checks of Arrow streams and Parquet files before their cells are converted."""

from collections import Counter
from typing import TYPE_CHECKING

from registry.codecs.arrow_columns import dictionary_key, fits
from registry.codecs.batch import missing_columns, refuse
from registry.errors import Fault, InputRefused, TooLarge
from registry.signature import Signature

if TYPE_CHECKING:
    from registry.codecs.arrow_library import pa

BYTES_A_CELL = 16
"""The most that a cell of a compressed table may unpack to on average: a number takes 8 bytes."""


def check_schema(schema: "pa.Schema", signature: Signature) -> None:
    """Raises InputRefused where ``schema`` lacks a column of ``signature``, has it twice or has it
    with another type."""
    counts = Counter(schema.names)
    if missing := [name for name in signature.names if name not in counts]:
        raise missing_columns(missing)
    for name in signature.names:
        if counts[name] > 1:
            raise InputRefused(
                f"The table has the column {name!r} twice.",
                [Fault(name, "the column appears twice")],
            )
    kinds = [(column, schema.field(column.name).type) for column in signature.inputs]
    if unfit := [
        Fault(column.name, f"expected {column.type}, not {kind}")
        for column, kind in kinds
        if not fits(column, kind)
    ]:
        raise refuse(unfit)


def check_cells(rows: int, columns: int, max_cells: int) -> None:
    """Raises TooLarge where there are more than ``max_cells`` cells."""
    if rows * columns > max_cells:
        raise TooLarge("The table", f"{max_cells} cells", "HOTSWAP_MAX_PREDICT_MB")


def check_unpacked(size: int, max_cells: int) -> None:
    """Raises TooLarge where ``size`` bytes are more than a table of ``max_cells`` cells takes."""
    limit = max_cells * BYTES_A_CELL
    if size > limit:
        raise TooLarge("The unpacked table", f"{limit} bytes", "HOTSWAP_MAX_PREDICT_MB")


def check_content(table: "pa.Table") -> None:
    """Check offsets, indices and texts of an untrusted table, which could point anywhere.

    Raises ArrowInvalid.
    """
    from registry.codecs.arrow_library import pa

    if not any(pa.types.is_dictionary(kind) for kind in table.schema.types):
        table.validate(full=True)
        return
    table.validate()
    for dictionary in distinct_dictionaries(table):
        dictionary.validate(full=True)
    for cells in table.columns:
        if pa.types.is_dictionary(cells.type):
            for chunk in cells.chunks:
                pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary)  # checks indices
        else:
            cells.validate(full=True)


def distinct_dictionaries(table: "pa.Table") -> list["pa.Array"]:
    """The dictionaries of ``table``, each once, however many columns and batches share it."""
    from registry.codecs.arrow_library import pa

    encoded = [cells for cells in table.columns if pa.types.is_dictionary(cells.type)]
    found = (chunk.dictionary for cells in encoded for chunk in cells.chunks)
    return list({dictionary_key(dictionary): dictionary for dictionary in found}.values())


def first_line(error: Exception) -> str:
    """The first line of the message of ``error``."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
