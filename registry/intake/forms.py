"""The compiled forms of a model: the size limit of each, and how its bytes are checked.

The confined inspection checks what it has compiled, so that the uploader learns which limit is
exceeded. The service repeats the check on what it receives, since the file that a confined process
reads may have taken it over.
"""

import errno
from collections.abc import Callable, Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from tempfile import TemporaryFile
from typing import Literal

from registry.confinement.channel import Deadline
from registry.confinement.spawner import Confined
from registry.engines import boosting_file, chains_file, forest_file, linear_file
from registry.errors import StorageFull
from registry.intake.onnx_check import check_onnx

Form = Literal["onnx", "features", "columns", "forest", "linear", "boosting"]
"""The compiled forms by their content; see ``registry.engines.loading``."""
Content = bytes | memoryview

_MEGABYTE = 2**20
FORM_LIMITS: Mapping[Form, int] = {
    "onnx": 256 * _MEGABYTE,
    "features": 64 * _MEGABYTE,
    "columns": 64 * _MEGABYTE,
    "forest": 512 * _MEGABYTE,
    "linear": 64 * _MEGABYTE,
    "boosting": 512 * _MEGABYTE,
}
"""Bytes of each compiled form on disk. A forest has about 25 for each node, and takes about as many
in the memory of each worker that serves it."""

_CHECKS: Mapping[Form, Callable[[Content], object]] = {
    "onnx": check_onnx,
    "features": check_onnx,
    "columns": chains_file.from_bytes,
    "forest": forest_file.from_bytes,
    "linear": linear_file.from_bytes,
    "boosting": boosting_file.from_bytes,
}


_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def check_form(form: Form, content: Content, limits: Mapping[Form, int] = FORM_LIMITS) -> None:
    """Raises ValueError where ``content`` is too large or not valid for ``form``."""
    if len(content) > limits[form]:
        raise ValueError(f"it takes {len(content)} bytes; at most {limits[form]} are allowed")
    _CHECKS[form](content)


def receive_form(
    process: Confined, form: Form, folder: Path, deadline: Deadline
) -> memoryview | None:
    """Receive a compiled form, the next message of ``process``, into a file in ``folder``.

    So a large form takes no memory of the service on its way to the blobs. The file has no name and
    ends with the returned view. None where the process has ended.

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
