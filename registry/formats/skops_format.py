"""skops files: a zip of numpy arrays and a schema of how to put them together.

skops trusts by itself every estimator of scikit-learn, some of which read files or call functions
that the file names. So the schema and the heads of the arrays are read before skops sees them.
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
from registry.formats.allowed import ESTIMATORS, PARTS, SKOPS_NODES, SKOPS_TYPES, why_not
from registry.formats.tree_structure import check_making, check_nodes

MAX_UNPACKED = 2 * 2**30
MAX_SCHEMA = 256 * 2**20
MAX_FILES = 100_000
MAX_RATIO = 200
"""How much larger than itself a packed file may become, once it has become ``FREE_BYTES``."""
FREE_BYTES = 32 * 2**20
_SCHEMA = "schema.json"
_MAX_SEED_POOL = 1024
_TWO_WAYS = "The artifact describes one object in two ways."


def read_skops(file: BinaryIO) -> Any:
    """The object in a skops file. Raises ArtifactRefused."""
    from skops.io import load
    from skops.io.exceptions import UntrustedTypesFoundException

    _check(file)
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


def _check(file: BinaryIO) -> None:
    try:
        with ZipFile(file) as archive:
            members = _members(archive)
            if _SCHEMA not in members:
                raise ArtifactRefused("The artifact is a zip without a schema.json: no skops file.")
            if members[_SCHEMA].file_size > MAX_SCHEMA:
                raise ArtifactRefused(f"The artifact's schema is larger than {MAX_SCHEMA} bytes.")
            schema = json.loads(archive.read(_SCHEMA))
            if not isinstance(schema, dict):
                raise ArtifactRefused("The artifact's schema describes no object.")
            _Checker(archive, members).check(schema)
    except ArtifactRefused:
        raise
    except RecursionError as error:
        raise ArtifactRefused("The artifact is nested too deeply.") from error
    except (BadZipFile, ValueError, NotImplementedError, RuntimeError, ZlibError) as error:
        raise ArtifactRefused(f"The artifact is no skops file: {error}") from error
    except (OSError, EOFError) as error:
        raise ArtifactRefused("The artifact is no whole skops file: it is cut off.") from error


def _members(archive: ZipFile) -> dict[str, ZipInfo]:
    """What the zip holds, by name, if all of it unpacked is not too much."""
    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise ArtifactRefused(f"The artifact holds more than {MAX_FILES} files.")
    unpacked = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    limit = min(MAX_UNPACKED, max(FREE_BYTES, MAX_RATIO * packed))
    if unpacked > limit:
        raise ArtifactRefused(f"The artifact unpacks to more than {limit} bytes.")
    for entry in entries:
        if entry.compress_type not in {ZIP_STORED, ZIP_DEFLATED}:
            raise ArtifactRefused("The artifact is packed in a way that skops does not.")
    members = {entry.filename: entry for entry in entries}
    if len(members) != len(entries):
        raise ArtifactRefused("The artifact holds two files of one name.")
    return members


class _Checker:
    """Walks the schema of a file and looks into its arrays before anything is made of them."""

    def __init__(self, archive: ZipFile, members: dict[str, ZipInfo]) -> None:
        self._archive = archive
        self._members = members
        self._by_id: dict[Any, tuple[Any, ...]] = {}
        self._described: dict[Any, list[dict[str, Any]]] = {}
        self._inner: dict[Any, Any] = {}
        self._files: set[Any] = set()
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._loaded = 0

    def check(self, schema: Any) -> None:
        for node in _nodes(schema):
            name, loader = f"{node.get('__module__')}.{node.get('__class__')}", node["__loader__"]
            if name not in SKOPS_TYPES:
                raise ArtifactRefused(f"The artifact holds the type {shown(name)}: {why_not(name)}")
            if name not in SKOPS_NODES.get(str(loader), ()):
                raise ArtifactRefused(
                    f"The artifact builds {shown(name)} by {shown(str(loader))}: not allowed."
                )
            self._check_twin(node)
            self._check_node(node, str(loader))
        for key, node in self._inner.items():
            if any(node != other for other in self._described.get(key, ())):
                raise ArtifactRefused(_TWO_WAYS)

    def _check_twin(self, node: dict[str, Any]) -> None:
        """What is described twice has to be alike: skops takes the first description for both.

        Of what holds other objects the outside is compared. skops makes some of those anew each
        time it writes them; they are checked as often as they are there.
        """
        key, content = node.get("__id__"), node.get("content")
        outside = tuple(
            node.get(name) for name in ("__module__", "__class__", "__loader__", "type")
        )
        told = (*outside, node.get("file"), content if isinstance(content, str) else None)
        if key is not None and self._by_id.setdefault(key, told) != told:
            raise ArtifactRefused(_TWO_WAYS)
        if key is not None and isinstance(content, dict | list):
            self._described.setdefault(key, []).append(node)

    def _keep_inner(self, node: Any) -> None:
        """Of what is checked as a part of another object, all descriptions have to be alike."""
        key = _at(node, "__id__")
        if key is not None and self._inner.setdefault(key, node) != node:
            raise ArtifactRefused(_TWO_WAYS)

    def _check_node(self, node: dict[str, Any], loader: str) -> None:
        if "file" in node:
            # What has an id is loaded once, however often it is named.
            key = node.get("__id__")
            if key is None or key not in self._files:
                self._check_array(str(node["file"]))
            self._files.add(key)
        if loader == "TreeNode":
            self._check_tree(node)
        elif loader == "SliceNode":
            ends = (node["content"] or {}).values() if isinstance(node["content"], dict) else ["?"]
            if not all(end is None or type(end) is int for end in ends):
                raise ArtifactRefused("The artifact holds a slice of other than numbers.")
        elif loader == "RandomGeneratorNode":
            self._keep_inner(_at(node, "content", "seed_seq"))
            pool = _plain(node, "content", "seed_seq", "content", "pool_size")
            if type(pool) is not int or not 1 <= pool <= _MAX_SEED_POOL:
                raise ArtifactRefused("The artifact holds a generator with a pool of another size.")

    def _check_array(self, file: str) -> None:
        """The head of an array says as much as the file holds; all together are not too much."""
        self._shape(file)
        self._loaded += self._members[file].file_size
        if self._loaded > MAX_UNPACKED:
            raise ArtifactRefused(f"The artifact's arrays take more than {MAX_UNPACKED} bytes.")

    def _shape(self, file: str) -> tuple[int, ...]:
        """The shape that the head of an array says, once it is as much as the file holds."""
        if file in self._shapes:
            return self._shapes[file]
        member = self._members.get(file)
        if member is None:
            raise ArtifactRefused(f"The artifact lacks its file {shown(file)}.")
        with self._archive.open(member) as stream:
            try:
                version = np.lib.format.read_magic(stream)
                read = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }[version]
                shape, _, dtype = read(stream)
                head = stream.tell()
            except (ValueError, KeyError, EOFError, SyntaxError, TypeError) as error:
                raise ArtifactRefused(f"The artifact's {shown(file)} is no numpy array.") from error
        if dtype.hasobject or any(length < 0 for length in shape):
            raise ArtifactRefused(f"The artifact's {shown(file)} is no array of numbers.")
        if head + prod(shape) * dtype.itemsize != member.file_size:
            raise ArtifactRefused(
                f"The artifact's {shown(file)} says it takes {prod(shape) * dtype.itemsize} bytes "
                f"and holds {member.file_size - head}."
            )
        self._shapes[file] = tuple(shape)
        return self._shapes[file]

    def _check_tree(self, node: dict[str, Any]) -> None:
        made_with, state = _at(node, "__reduce__", "args"), _at(node, "content")
        self._keep_inner(made_with)
        self._keep_inner(state)
        arguments = _at(made_with, "content")
        if not isinstance(arguments, list) or len(arguments) != 3:
            raise ArtifactRefused("A tree is made in a way that scikit-learn does not.")
        features, classes, outputs = arguments
        file = _file(classes)
        if file is None:
            raise ArtifactRefused("A tree does not say how many classes it has.")
        self._shape(file)
        array = np.load(BytesIO(self._archive.read(file)), allow_pickle=False)
        check_making((_plain(features), array, _plain(outputs)))
        files = [_file(_at(state, "content", key)) for key in ("nodes", "values")]
        check_nodes(*(() if file is None else self._shape(file) for file in files))


def _at(node: Any, *path: str) -> Any:
    """What is below ``path`` in ``node``; None where there is nothing."""
    for key in path:
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _plain(node: Any, *path: str) -> Any:
    """The value of a JsonNode, below ``path``; None where there is none."""
    try:
        return json.loads(_at(node, *path, "content"))
    except (TypeError, ValueError):
        return None


def _file(node: Any) -> str | None:
    """The file of a node that is an array of numbers."""
    file = _at(node, "file")
    plain = _at(node, "__class__") == "ndarray" and _at(node, "type") == "numpy"
    return str(file) if plain and file is not None else None


def _nodes(schema: Any) -> Iterator[dict[str, Any]]:
    """Every node, in the order in which skops meets them."""
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if value.keys() & {"__class__", "__module__", "__loader__"}:
                yield {"__loader__": None, **value} if "__loader__" not in value else value
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
