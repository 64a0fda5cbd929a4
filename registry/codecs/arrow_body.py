"""Arrow streams."""

from typing import TYPE_CHECKING

from registry.codecs.arrow_columns import to_batch
from registry.codecs.arrow_plain import MOST_CELLS, PlainForm, plain_form
from registry.codecs.arrow_sizes import TableSize, arrow_size, message_sizes
from registry.codecs.batch import Batch
from registry.codecs.table_checks import (
    check_cells,
    check_content,
    check_schema,
    check_unpacked,
    first_line,
)
from registry.errors import BodyMalformed
from registry.signature import Signature

if TYPE_CHECKING:
    from registry.codecs.arrow_library import pa


_MOST_FORMS = 4
"""The forms of streams that a reader keeps, the newest ones."""


class ArrowReader:
    """Reads Arrow IPC streams for one signature. Safe to use from several threads."""

    def __init__(self, signature: Signature) -> None:
        self._signature = signature
        self._forms: tuple[PlainForm, ...] = ()

    def size(self, body: bytes) -> TableSize:
        """As ``arrow_size``."""
        for form in self._forms:
            if rows := form.rows(body):
                return TableSize(rows, 0)
        return arrow_size(body)

    def read(self, body: bytes, max_cells: int) -> Batch:
        """As ``decode_arrow``."""
        for form in self._forms:
            batch = form.read(body, max_cells)
            if batch is not None:
                return batch
        batch = decode_arrow(body, self._signature, max_cells)
        if batch.rows * len(self._signature.inputs) <= MOST_CELLS:
            self._remember(body)
        return batch

    def _remember(self, body: bytes) -> None:
        forms = self._forms
        if any(form.rows(body) for form in forms):
            return
        form = plain_form(body, self._signature)
        if form is not None:
            self._forms = (form, *forms[: _MOST_FORMS - 1])


def decode_arrow(body: bytes, signature: Signature, max_cells: int) -> Batch:
    """Read the columns of ``signature`` from an Arrow IPC stream.

    Raises BodyMalformed where ``body`` is not an Arrow stream, InputRefused where it does not fit
    the signature, TooLarge where it has more than ``max_cells`` cells.
    """
    from registry.codecs.arrow_library import pa

    try:
        _check_stream(body, max_cells)
        with _opened(body, signature) as reader:
            batches, rows = [], 0
            for batch in reader:
                rows += batch.num_rows
                check_cells(rows, batch.num_columns, max_cells)
                batches.append(batch)
            table = pa.Table.from_batches(batches, reader.schema)
        check_content(table)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise BodyMalformed(f"The body is not an Arrow stream: {first_line(error)}") from error
    return to_batch(table, signature)


def _opened(body: bytes, signature: Signature) -> "pa.ipc.RecordBatchStreamReader":
    """A reader of the columns of ``signature`` only. Raises as ``decode_arrow`` does."""
    from registry.codecs.arrow_library import pa

    reader = pa.ipc.open_stream(body)
    schema = reader.schema
    check_schema(schema, signature)
    if len(schema) == len(signature.names):
        return reader
    reader.close()
    read = [schema.get_field_index(name) for name in signature.names]
    return pa.ipc.open_stream(body, options=pa.ipc.IpcReadOptions(included_fields=read))


def _check_stream(body: bytes, max_cells: int) -> None:
    """Raises TooLarge where the stream unpacks to more than ``max_cells`` cells take."""
    unpacked = 0
    for size in message_sizes(body):
        unpacked += size.unpacked
        check_unpacked(unpacked, max_cells)
