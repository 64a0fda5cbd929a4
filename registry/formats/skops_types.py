"""Which types a skops file names, without reading what it builds of them."""

import re
from typing import BinaryIO
from zipfile import ZipFile

from registry.formats.allowed import SKOPS_TYPES
from registry.formats.reduced_schema import SCHEMA

_PIECE = 2**20
_OVERLAP = 500
"""More than a name and its key take, which may be in two pieces."""
_NAMES = re.compile(rb'"__(class|module)__": *"([\w.]{1,200})"')


def named_types(file: BinaryIO) -> list[str]:
    """The allowed types whose class and module a skops file names, in order.

    ``file`` has been inspected: all its types are allowed. A class and a module that belong to two
    of them may name a third. Raises BadZipFile, KeyError.
    """
    found: dict[bytes, set[str]] = {b"class": set(), b"module": set()}
    with ZipFile(file) as archive, archive.open(SCHEMA) as schema:
        rest = b""
        while piece := schema.read(_PIECE):
            text = rest + piece
            for kind, name in _NAMES.findall(text):
                found[kind].add(name.decode())
            rest = text[-_OVERLAP:]
    return sorted(
        type_
        for type_ in SKOPS_TYPES
        if type_.rpartition(".")[0] in found[b"module"]
        and type_.rpartition(".")[2] in found[b"class"]
    )
