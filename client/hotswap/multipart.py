"""Bodies that are read from disk while they are sent: a file, or ``multipart/form-data``."""

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


class FileBody(AbstractContextManager["FileBody"]):
    """A file, or bytes, as a body of ``content_type``, between ``head`` and ``tail``.

    Its length becomes the Content-Length, and it iterates over its bytes in blocks, so that a file
    of any size needs little memory. Raises OSError if the file cannot be opened.
    """

    content_type = BYTES

    def __init__(self, content: Path | bytes, head: bytes = b"", tail: bytes = b"") -> None:
        self._file: BinaryIO
        if isinstance(content, bytes):
            self._file = io.BytesIO(content)
            self._size = len(content)
        else:
            self._file = content.open("rb")
            self._size = os.fstat(self._file.fileno()).st_size
        self._name = content.name if isinstance(content, Path) else "model"
        self._head = head
        self._tail = tail

    def __len__(self) -> int:
        return len(self._head) + self._size + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        """The body, once. Raises ArtifactChanged."""
        yield self._head
        left = self._size
        while left:
            block = self._file.read(min(BLOCK, left))
            if not block:
                raise ArtifactChanged(self._name)
            left -= len(block)
            yield block
        yield self._tail

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class UploadBody(FileBody):
    """The parts of an upload: ``metadata``, ``training_rows`` if there are any, and ``artifact``.

    The metadata comes first, so that the service can refuse it before the file is sent.
    """

    def __init__(
        self,
        artifact: Path | bytes,
        metadata: Mapping[str, Any],
        filename: str | None = None,
        training_rows: bytes | None = None,
    ) -> None:
        name = filename or (artifact.name if isinstance(artifact, Path) else "model")
        boundary = f"hotswap-{secrets.token_hex(16)}"
        head = _opening(boundary, metadata, name, training_rows)
        super().__init__(artifact, head, f"\r\n--{boundary}--\r\n".encode())
        self.content_type = f"multipart/form-data; boundary={boundary}"


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
