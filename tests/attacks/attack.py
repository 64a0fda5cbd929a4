"""An attack: a name, a format, and a function that makes its bytes for one canary.

The repository contains no such bytes: each family creates them when the tests run.
"""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Canary:
    """A folder and a port that only one attack knows.

    An attack that runs leaves a file in the folder or connects to the port.
    """

    folder: Path
    listener: socket.socket

    @property
    def path(self) -> str:
        """A file that is not there."""
        return str(self.folder / "canary")

    @property
    def script(self) -> str:
        """A Python program that makes ``path`` when it is run."""
        return str(self.folder / ".script.py")

    @property
    def code(self) -> str:
        return f"open({self.path!r}, 'w').close()"

    @property
    def command(self) -> str:
        return f"touch {self.path}"

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def triggered(self) -> bool:
        """Whether the attack ran anything."""
        if any(not item.name.startswith(".") for item in self.folder.iterdir()):
            return True
        try:
            connection, _ = self.listener.accept()
        except BlockingIOError:
            return False
        connection.close()
        return True


@contextmanager
def canary_in(folder: Path) -> Iterator[Canary]:
    """A canary of its own in ``folder``, which need not be there."""
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # so that a process of another user could trigger it as well
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        canary = Canary(folder, listener)
        script = Path(canary.script)
        script.write_text(canary.code)
        script.chmod(0o666)
        yield canary


@dataclass(frozen=True)
class Attack:
    """``fires``: an unchecked reader triggers its canary. ``harmless``: it may become a version,
    since its harmful part is removed or stays in a confined process; it must do nothing then.
    """

    name: str
    format: str
    make: Callable[[Canary], bytes]
    fires: bool = False
    harmless: bool = False
    metadata: dict[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.format}: {self.name}"
