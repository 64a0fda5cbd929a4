"""skops files: a zip of numpy arrays and a schema of how to put them together.

skops trusts by itself every estimator of scikit-learn, some of which read files or call functions
that the file names. So the schema is read before skops sees it, and every node must be of a type
and built in a way that ``allowed`` names.
"""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO
from zipfile import BadZipFile, ZipFile

from registry.errors import ArtifactRefused, shown
from registry.formats.allowed import ESTIMATORS, PARTS, SKOPS_NODES, SKOPS_TYPES

MAX_UNPACKED = 4 * 2**30
MAX_SCHEMA = 512 * 2**20
MAX_FILES = 100_000


def read_skops(file: BinaryIO) -> Any:
    """The object in a skops file. Raises ArtifactRefused."""
    from skops.io import load
    from skops.io.exceptions import UntrustedTypesFoundException

    _check_schema(_schema(file))
    file.seek(0)
    try:
        return load(file, trusted=sorted(ESTIMATORS | PARTS | {"numpy.dtype"}))
    except UntrustedTypesFoundException as error:
        raise ArtifactRefused(f"The artifact holds types that are not allowed: {error}") from error
    except RecursionError as error:
        raise ArtifactRefused("The artifact is nested too deeply.") from error
    except Exception as error:
        raise ArtifactRefused(
            f"The artifact is no whole skops file: {type(error).__name__}: {error}"
        ) from error


def _schema(file: BinaryIO) -> Any:
    try:
        with ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) > MAX_FILES:
                raise ArtifactRefused(f"The artifact holds more than {MAX_FILES} files.")
            if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
                raise ArtifactRefused(f"The artifact unpacks to more than {MAX_UNPACKED} bytes.")
            if archive.getinfo("schema.json").file_size > MAX_SCHEMA:
                raise ArtifactRefused(f"The artifact's schema is larger than {MAX_SCHEMA} bytes.")
            return json.loads(archive.read("schema.json"))
    except ArtifactRefused:
        raise
    except KeyError as error:
        raise ArtifactRefused(
            "The artifact is a zip without a schema.json: no skops file."
        ) from error
    except (BadZipFile, ValueError, RecursionError, NotImplementedError, RuntimeError) as error:
        raise ArtifactRefused(f"The artifact is no skops file: {error}") from error
    except (OSError, EOFError) as error:
        raise ArtifactRefused("The artifact is no whole skops file: it is cut off.") from error


def _check_schema(schema: Any) -> None:
    for node in _nodes(schema):
        name = f"{node.get('__module__')}.{node.get('__class__')}"
        if name not in SKOPS_TYPES:
            raise ArtifactRefused(f"The artifact holds the type {shown(name)}: not allowed.")
        if node.get("__loader__") not in SKOPS_NODES:
            raise ArtifactRefused(
                f"The artifact builds {shown(name)} by {shown(str(node.get('__loader__')))}: "
                "not allowed."
            )


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if value.keys() & {"__class__", "__module__", "__loader__"}:
                yield value
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
