"""skops files: a zip of numpy arrays and a schema of how to assemble them.

skops trusts every estimator of scikit-learn, some of which read files or call functions that the
file names. So the schema and the headers of the arrays are checked before skops reads them.
"""

import json
from collections.abc import Iterator
from io import BytesIO
from math import prod
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError  # noqa: N812 - it is a class

import numpy as np

from registry.errors import ArtifactRefused, shown
from registry.formats.allowed import ESTIMATORS, PARTS, SKOPS_NODES, SKOPS_TYPES
from registry.formats.library_boosters import STAND_INS
from registry.formats.places import place_in_schema
from registry.formats.reduced_schema import SCHEMA, node_at, reduced_schema, with_schema
from registry.formats.refusing import why_not
from registry.formats.sparse_rows import SPARSE
from registry.formats.tree_structure import check_arguments, check_nodes
from registry.formats.ufuncs import UFUNCS
from registry.formats.unpacking import FREE_BYTES, MAX_RATIO, MAX_UNPACKED

MAX_SCHEMA = 256 * 2**20
MAX_FILES = 100_000
_MAX_SEED_POOL = 1024
_FORMAT, _IS_ARRAY = "format.npy", "_is_array.npy"
_SPARSE_PARTS = {_FORMAT, "data.npy", "indices.npy", "indptr.npy", "shape.npy"}
"""The files of a CSR matrix as scipy saves it."""
_TRUSTED = sorted(ESTIMATORS | PARTS | SPARSE | UFUNCS.keys() | {"numpy.dtype"})
_CONTRADICTION = "The artifact has two different descriptions of one object."


def read_skops(file: BinaryIO) -> Any:
    """The object in a skops file. Raises ArtifactRefused."""
    from skops.io import load
    from skops.io.exceptions import UntrustedTypesFoundException

    reduced = _check(file)
    reduced.seek(0)
    try:
        return load(reduced, trusted=_TRUSTED)
    except UntrustedTypesFoundException as error:
        raise ArtifactRefused(
            f"The artifact contains types that are not allowed: {error}"
        ) from error
    except RecursionError as error:
        raise ArtifactRefused("The artifact is nested too deeply.") from error
    except Exception as error:
        raise ArtifactRefused(
            f"The artifact is not a complete skops file: {type(error).__name__}: {error}"
        ) from error


def _check(file: BinaryIO) -> BinaryIO:
    """The checked file, or a copy of it without what is left out. Raises ArtifactRefused."""
    try:
        with ZipFile(file) as archive:
            members = _members(archive)
            if SCHEMA not in members:
                raise ArtifactRefused(
                    "The artifact is not a skops file: it is a zip without a schema.json."
                )
            if members[SCHEMA].file_size > MAX_SCHEMA:
                raise ArtifactRefused(f"The artifact's schema is larger than {MAX_SCHEMA} bytes.")
            schema = json.loads(archive.read(SCHEMA))
            if not isinstance(schema, dict):
                raise ArtifactRefused("The artifact's schema is not an object.")
            reduced, changed = reduced_schema(schema)
            _Checker(archive, members).check(reduced)
            return with_schema(archive, reduced) if changed else file
    except ArtifactRefused:
        raise
    except RecursionError as error:
        raise ArtifactRefused("The artifact is nested too deeply.") from error
    except (BadZipFile, ValueError, NotImplementedError, RuntimeError, ZlibError) as error:
        raise ArtifactRefused(f"The artifact is not a skops file: {error}") from error
    except (OSError, EOFError) as error:
        raise ArtifactRefused(
            "The artifact is not a complete skops file: it is truncated."
        ) from error


def _members(archive: ZipFile) -> dict[str, ZipInfo]:
    """The files of the zip by name. Raises ArtifactRefused where they unpack to too much."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise ArtifactRefused(f"The artifact contains more than {MAX_FILES} files.")
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    limit = min(MAX_UNPACKED, max(FREE_BYTES, MAX_RATIO * packed))
    if unpacked > limit:
        raise ArtifactRefused(f"The artifact unpacks to more than {limit} bytes.")
    for entry in entries:
        if entry.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise ArtifactRefused("The artifact has a compression that skops does not use.")
    members = {entry.filename: entry for entry in entries}
    if len(members) != len(entries):
        raise ArtifactRefused("The artifact contains two files of the same name.")
    return members


class _Checker:
    """Checks the schema of a file and its arrays before any object is created."""

    def __init__(self, archive: ZipFile, members: dict[str, ZipInfo]) -> None:
        self._archive = archive
        self._members = members
        self._by_id: dict[Any, tuple[Any, ...]] = {}
        self._described: dict[Any, list[dict[str, Any]]] = {}
        self._inner: dict[Any, Any] = {}
        self._boosters: set[int] = set()
        """The nodes of boosters, the only ones that may be bytes."""
        self._files: set[Any] = set()
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._loaded = 0

    def check(self, schema: Any) -> None:
        for node in _nodes(schema):
            name, loader = f"{node.get('__module__')}.{node.get('__class__')}", node["__loader__"]
            if name not in SKOPS_TYPES:
                raise ArtifactRefused(
                    f"The artifact contains the type {shown(name, 200)}"
                    f"{place_in_schema(schema, node)}: {why_not(name)}"
                )
            if name in STAND_INS.values():
                self._boosters.add(id(node_at(node, "content", "content", "model_")))
            is_stray = loader == "BytesNode" and id(node) not in self._boosters
            if is_stray or name not in SKOPS_NODES.get(str(loader), ()):
                raise ArtifactRefused(
                    f"The artifact builds {shown(name)} with {shown(str(loader))}: not allowed."
                )
            self._check_twin(node)
            self._check_node(node, str(loader))
        for key, node in self._inner.items():
            if any(node != other for other in self._described.get(key, ())):
                raise ArtifactRefused(_CONTRADICTION)

    def _check_twin(self, node: dict[str, Any]) -> None:
        """Two descriptions of one object must be equal: skops uses the first for both.

        Of containers only the type is compared. skops writes some of them again each time; each
        copy is checked.
        """
        key, content = node.get("__id__"), node.get("content")
        type_ = tuple(node.get(name) for name in ("__module__", "__class__", "__loader__", "type"))
        described = (*type_, node.get("file"), content if isinstance(content, str) else None)
        if key is not None and self._by_id.setdefault(key, described) != described:
            raise ArtifactRefused(_CONTRADICTION)
        if key is not None and isinstance(content, dict | list):
            self._described.setdefault(key, []).append(node)

    def _keep_inner(self, node: Any) -> None:
        """All descriptions of an object that is checked as a part of another must be equal."""
        key = node_at(node, "__id__")
        if key is not None and self._inner.setdefault(key, node) != node:
            raise ArtifactRefused(_CONTRADICTION)

    def _check_node(self, node: dict[str, Any], loader: str) -> None:
        if "file" in node:
            # An object with an id is loaded once, however often it is referenced.
            key = node.get("__id__")
            if key is None or key not in self._files:
                self._check_file(str(node["file"]), loader)
            self._files.add(key)
        if loader == "TreeNode":
            self._check_tree(node)
        elif loader == "SliceNode":
            ends = (node["content"] or {}).values() if isinstance(node["content"], dict) else ["?"]
            if not all(end is None or type(end) is int for end in ends):
                raise ArtifactRefused("The artifact contains a slice whose ends are not numbers.")
        elif loader == "RandomGeneratorNode":
            self._keep_inner(node_at(node, "content", "seed_seq"))
            pool = _plain(node, "content", "seed_seq", "content", "pool_size")
            if type(pool) is not int or not 1 <= pool <= _MAX_SEED_POOL:
                raise ArtifactRefused(
                    "The artifact contains a random generator with an invalid pool size."
                )

    def _check_file(self, file: str, loader: str) -> None:
        """Check the header of an array, and that all files together are not too large."""
        if loader == "SparseMatrixNode":
            self._loaded += self._check_sparse(file)
        elif loader != "BytesNode":
            self._shape(file)
        self._loaded += self._member(file).file_size
        if self._loaded > MAX_UNPACKED:
            raise ArtifactRefused(f"The artifact's arrays take more than {MAX_UNPACKED} bytes.")

    def _check_sparse(self, file: str) -> int:
        """Check the arrays of a sparse matrix, a zip of scipy's. Returns their size."""
        with ZipFile(BytesIO(self._archive.read(self._member(file)))) as parts:
            members = _members(parts)
            if members.keys() - {_IS_ARRAY} != _SPARSE_PARTS:
                raise ArtifactRefused(f"The artifact's {shown(file)} is not a CSR matrix.")
            for member in members.values():
                _array_shape(parts, member)
            with parts.open(_FORMAT) as stream:
                format_ = np.lib.format.read_array(stream, allow_pickle=False)
            if format_.shape != () or format_.item() not in {"csr", b"csr"}:
                raise ArtifactRefused(f"The artifact's {shown(file)} is not a CSR matrix.")
        return sum(member.file_size for member in members.values())

    def _shape(self, file: str) -> tuple[int, ...]:
        if file not in self._shapes:
            self._shapes[file] = _array_shape(self._archive, self._member(file))
        return self._shapes[file]

    def _member(self, file: str) -> ZipInfo:
        member = self._members.get(file)
        if member is None:
            raise ArtifactRefused(f"The artifact lacks its file {shown(file)}.")
        return member

    def _check_tree(self, node: dict[str, Any]) -> None:
        created_with, state = node_at(node, "__reduce__", "args"), node_at(node, "content")
        self._keep_inner(created_with)
        self._keep_inner(state)
        arguments = node_at(created_with, "content")
        if not isinstance(arguments, list) or len(arguments) != 3:
            raise ArtifactRefused("A tree has invalid constructor arguments.")
        features, classes, outputs = arguments
        file = _file(classes)
        if file is None:
            raise ArtifactRefused("A tree does not state how many classes it has.")
        self._shape(file)
        array = np.load(BytesIO(self._archive.read(file)), allow_pickle=False)
        check_arguments((_plain(features), array, _plain(outputs)))
        files = [_file(node_at(state, "content", key)) for key in ("nodes", "values")]
        check_nodes(*(() if file is None else self._shape(file) for file in files))


def _array_shape(archive: ZipFile, member: ZipInfo) -> tuple[int, ...]:
    """The shape in the header of an array, checked against the size of the file."""
    file = shown(member.filename)
    with archive.open(member) as stream:
        try:
            version = np.lib.format.read_magic(stream)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read(stream)
            head = stream.tell()
        except (ValueError, KeyError, EOFError, SyntaxError, TypeError) as error:
            raise ArtifactRefused(f"The artifact's {file} is not a numpy array.") from error
    if dtype.hasobject or any(length < 0 for length in shape):
        raise ArtifactRefused(f"The artifact's {file} is not an array of numbers.")
    if head + prod(shape) * dtype.itemsize != member.file_size:
        raise ArtifactRefused(
            f"The artifact's {file} states {prod(shape) * dtype.itemsize} bytes and has "
            f"{member.file_size - head}."
        )
    return tuple(shape)


def _plain(node: Any, *path: str) -> Any:
    """The value of the JsonNode at ``path``; None where there is none."""
    try:
        return json.loads(node_at(node, *path, "content"))
    except (TypeError, ValueError):
        return None


def _file(node: Any) -> str | None:
    """The file of a node that is an array of numbers; None for other nodes."""
    file = node_at(node, "file")
    plain = node_at(node, "__class__") == "ndarray" and node_at(node, "type") == "numpy"
    return str(file) if plain and file is not None else None


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every node, in the order in which skops visits them."""
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if value.keys() & {"__class__", "__module__", "__loader__"}:
                yield {"__loader__": None, **value} if "__loader__" not in value else value
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
