"""Downloads an artifact to a file and verifies its hash."""

import hashlib
import tempfile
from pathlib import Path

import requests

from hotswap.errors import DownloadDamaged
from hotswap.transport import Transport

BLOCK = 1024 * 1024


def artifact(transport: Transport, path: str, to: Path) -> str:
    """Write the response of ``path`` to the file ``to`` and return its SHA-256.

    Raises DownloadDamaged, OSError and what ``Transport.request`` raises; ``to`` is then unchanged.
    """
    return transport.again(lambda: _attempt(transport, path, to))


def _attempt(transport: Transport, path: str, to: Path) -> str:
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=to.parent, prefix=f".{to.name}.", delete=False) as file:
        partial = Path(file.name)
        try:
            with transport.stream(path) as response:
                for block in response.iter_content(BLOCK):
                    digest.update(block)
                    file.write(block)
            _compare(response.headers.get("ETag", ""), digest.hexdigest())
            file.close()
            partial.replace(to)
        except requests.RequestException as error:
            raise transport.failure(error) from error
        finally:
            partial.unlink(missing_ok=True)
    return digest.hexdigest()


def _compare(etag: str, actual: str) -> None:
    expected = etag.strip('"').removeprefix("sha256:")
    if len(expected) == 64 and expected != actual:
        raise DownloadDamaged(expected, actual)
