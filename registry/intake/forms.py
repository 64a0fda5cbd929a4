"""The compiled forms of a model: how large each may become, and what its bytes have to be.

The confined inspection checks what it has compiled by this, so that the uploader is told which
limit is exceeded; the service checks what it receives by the same, since a confined process may
have been taken over by the file that it read.
"""

import errno
from collections.abc import Callable, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from registry.confinement.channel import Deadline
from registry.confinement.spawner import Confined
from registry.engines import chains_file, forest_file, linear_file
from registry.errors import StorageFull
from registry.intake.onnx_check import check_onnx

Form = Literal["onnx", "features", "columns", "forest", "linear"]
"""The compiled forms, by what they hold; see ``registry.engines.loading``."""
Content = bytes | memoryview

_MEGABYTE = 2**20
FORM_LIMITS: Mapping[Form, int] = {
    "onnx": 256 * _MEGABYTE,
    "features": 64 * _MEGABYTE,
    "columns": 64 * _MEGABYTE,
    "forest": 512 * _MEGABYTE,
    "linear": 64 * _MEGABYTE,
}
"""Bytes of each compiled form, on the disk. A forest has some 25 for each node, and takes about as
many in the memory of each worker that serves it."""

_CHECKS: Mapping[Form, Callable[[Content], object]] = {
    "onnx": check_onnx,
    "features": check_onnx,
    "columns": chains_file.from_bytes,
    "forest": forest_file.from_bytes,
    "linear": linear_file.from_bytes,
}


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def check_form(form: Form, content: Content, limits: Mapping[Form, int] = FORM_LIMITS) -> None:
    """Raises ValueError where the bytes of a compiled form are too many or not of that form."""
    if len(content) > limits[form]:
        raise ValueError(f"it takes {len(content)} bytes; at most {limits[form]} are allowed")
    _CHECKS[form](content)


def receive_form(
    process: Confined, form: Form, folder: Path, deadline: Deadline
) -> memoryview | None:
    """The next message of ``process``, which is a compiled form, as a file in ``folder``.

    So a large form takes no memory of the service on its way to the blobs. The file has no name and
    ends with what is returned. None where the process has ended.

    Raises MessageRefused, TimeoutError, StorageFull, and ValueError where the form is empty.
    """
    try:
        with TemporaryFile(dir=folder) as file:
            length = process.receive_into(file, FORM_LIMITS[form], deadline)
            if length is None:
                return None
            file.flush()
            return memoryview(mmap(file.fileno(), length, access=ACCESS_READ))
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull from error
        raise
