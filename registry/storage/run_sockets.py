"""Unix sockets in the data directory, whose path may be longer than the address of a socket."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """A name for ``path`` that fits a socket's address, which holds 107 bytes."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def publish(listener: socket.socket, path: Path, backlog: int) -> None:
    """Bind ``listener`` to ``path`` with the mode 0600, in place of what is there. Raises OSError.

    The path appears when the socket accepts connections: one that refuses them is taken for a dead
    process's, and removed.
    """
    hidden = path.with_name(f"{path.name}.{os.getpid()}")
    hidden.unlink(missing_ok=True)
    with short_path(hidden) as short:
        listener.bind(short)
        Path(short).chmod(0o600)
    listener.listen(backlog)
    try:
        hidden.rename(path)
    except OSError:
        hidden.unlink()
        raise
