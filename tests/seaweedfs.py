"""A real S3 server for tests, which pip installs: SeaweedFS in one process."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from tests.memory import in_memory

_BUCKET = "tests"
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "tester",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "AWS_REGION": "us-east-1",
}
_PARTS = ("master", "volume", "filer", "s3")
_ATTEMPTS = 5
_numbers = count(1)


class SeaweedFs:
    """A server of our own; ``url`` names another prefix of its bucket each time."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def url(self) -> str:
        return f"s3://{_BUCKET}/{os.getpid()}/{next(_numbers)}"

    def connect(self) -> socket.socket:
        """A connection to it, for a proxy."""
        return socket.create_connection(("127.0.0.1", urlsplit(self.endpoint).port))

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process reaches it."""
        return {**_CREDENTIALS, "HOTSWAP_BLOBS_ENDPOINT": self.endpoint}


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on just now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def running_seaweedfs(choose: Callable[[int], list[int]] = free_ports) -> Iterator[SeaweedFs]:
    """A server that runs until the block ends. Meanwhile this process has its credentials.

    ``choose`` returns so many ports. They are chosen again where the server ends at once: another
    process may have taken one of them in between.
    """
    folder = Path(tempfile.mkdtemp(prefix="hotswap-s3-", dir=in_memory()))
    before = {name: os.environ.get(name) for name in _CREDENTIALS}
    os.environ.update(_CREDENTIALS)
    try:
        with _started(folder, choose) as endpoint:
            yield SeaweedFs(endpoint)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _started(folder: Path, choose: Callable[[int], list[int]]) -> Iterator[str]:
    """The address of a server that stores what it is sent."""
    for attempt in range(_ATTEMPTS):
        own = folder / str(attempt)
        own.mkdir()
        ports = choose(2 * len(_PARTS))
        process = _start(own, ports)
        try:
            endpoint = f"http://127.0.0.1:{ports[-2]}"
            if _stores(endpoint, process, own / "log"):
                yield endpoint
                return
        finally:
            process.kill()  # what a power cut would do to this server is nobody's concern
            process.wait()
    raise AssertionError((own / "log").read_text()[-2000:])


def _start(folder: Path, ports: Sequence[int]) -> "subprocess.Popen[bytes]":
    arguments = ["-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={folder}", f"-bucket={_BUCKET}"]
    # No other server than that of S3 and what it needs; several may run at the same time.
    arguments += ["-admin.ui=false", "-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    arguments += [f"-s3.localSocket={folder / 's3.sock'}"]
    for part, port, internal in zip(_PARTS, ports[::2], ports[1::2], strict=True):
        arguments += [f"-{part}.port={port}", f"-{part}.port.grpc={internal}"]
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [Path(sys.executable).parent / "weed", "mini", *arguments],
            stdout=log,
            stderr=log,
            cwd=folder,
        )


def _stores(endpoint: str, process: "subprocess.Popen[bytes]", log: Path) -> bool:
    """Wait until the server stores what it is sent; False if it ends before."""
    import obstore
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    store = S3Store(
        _BUCKET,
        config={"endpoint": endpoint},
        client_options={"allow_http": True, "timeout": timedelta(seconds=2)},
        retry_config={"max_retries": 0},
    )
    deadline = time.monotonic() + 60
    while process.poll() is None:
        try:
            obstore.put(store, "started", b"", use_multipart=False)
        except BaseError as error:
            if time.monotonic() > deadline:
                raise AssertionError(log.read_text()[-2000:]) from error
            time.sleep(0.05)
        else:
            return True
    return False
