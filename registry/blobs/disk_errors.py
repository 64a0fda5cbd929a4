"""Errors of the disk as errors of the registry."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from registry.errors import RegistryError, StorageFull, StorageUnavailable


@contextmanager
def storage_errors() -> Iterator[None]:
    """Raise StorageFull or StorageUnavailable for every OSError but FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _translated(error) from error


def _translated(error: OSError) -> RegistryError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return StorageFull()
    return StorageUnavailable(error.strerror or type(error).__name__)
