"""A ``multipart/form-data`` body that is read from disk while it is sent."""

import io
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO, Self

BLOCK = 256 * 1024
BYTES = "application/octet-stream"


class ArtifactChanged(OSError):
    """The file became shorter while it was being sent."""

    def __init__(self, filename: str) -> None:
        super().__init__(f"{filename} became shorter while it was being sent; upload it again.")


class UploadBody(AbstractContextManager["UploadBody"]):
    """The parts of an upload: ``metadata``, ``training_rows`` if there are any, and ``artifact``.

    Its length becomes the Content-Length, and it iterates over its bytes in blocks, so that a file
    of any size needs little memory. The metadata comes first, so that the service can refuse it
    before the file is sent. Raises OSError if the file cannot be opened.
    """

    def __init__(
        self,
        artifact: Path | bytes,
        metadata: Mapping[str, Any],
        filename: str | None = None,
        training_rows: bytes | None = None,
    ) -> None:
        self._file: BinaryIO
        if isinstance(artifact, bytes):
            self._file = io.BytesIO(artifact)
            self._size = len(artifact)
        else:
            self._file = artifact.open("rb")
            self._size = os.fstat(self._file.fileno()).st_size
        name = filename or (artifact.name if isinstance(artifact, Path) else "model")
        boundary = f"hotswap-{secrets.token_hex(16)}"
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self._filename = name
        self._head = _opening(boundary, metadata, name, training_rows)
        self._tail = f"\r\n--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """The body, once. Raises ArtifactChanged."""
        yield self._head
        left = self._size
        while left:
            block = self._file.read(min(BLOCK, left))
            if not block:
                raise ArtifactChanged(self._filename)
            left -= len(block)
            yield block
        yield self._tail

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _opening(
    boundary: str, metadata: Mapping[str, Any], filename: str, training_rows: bytes | None
) -> bytes:
    # Escaped as browsers do it (WHATWG HTML, multipart/form-data encoding algorithm).
    quoted = filename.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    described = json.dumps(dict(metadata), allow_nan=False, separators=(",", ":"))
    parts = [("metadata", "", "application/json", described.encode())]
    if training_rows is not None:
        parts.append(("training_rows", "training_rows.bin", BYTES, training_rows))
    parts.append(("artifact", quoted, BYTES, b""))
    return b"\r\n".join(_part(boundary, *part) for part in parts)


def _part(boundary: str, name: str, filename: str, type_: str, content: bytes) -> bytes:
    named = f'name="{name}"; filename="{filename}"' if filename else f'name="{name}"'
    head = (
        f"--{boundary}\r\nContent-Disposition: form-data; {named}\r\nContent-Type: {type_}\r\n\r\n"
    )
    return head.encode() + content
