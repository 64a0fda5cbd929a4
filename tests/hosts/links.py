"""A network namespace for a host, with a link for its clients and one to its database.

When the second link is down, packets to the database disappear without an answer, as on a machine
that has lost its route. Requires root and iproute2.
"""

import os
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass


def are_possible() -> bool:
    """Whether this process may make them."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


@dataclass(frozen=True)
class Link:
    """The namespace of the host with the number ``number``."""

    number: int

    @property
    def namespace(self) -> str:
        return f"hotswap-{os.getpid()}-{self.number}"

    @property
    def host_address(self) -> str:
        """The address of the host, for its clients."""
        return f"{self._network('c')}.2"

    @property
    def database_address(self) -> str:
        """The address at which the host reaches its database, on this machine."""
        return f"{self._network('d')}.1"

    def make(self) -> None:
        """Create the namespace and both links."""
        _ip("netns", "add", self.namespace)
        _ip("-n", self.namespace, "link", "set", "lo", "up")
        for kind in "cd":
            near, far, network = self._near(kind), f"to-{kind}", self._network(kind)
            pair = ("type", "veth", "peer", "name", far, "netns", self.namespace)
            _ip("link", "add", near, *pair)
            _ip("addr", "add", f"{network}.1/24", "dev", near)
            _ip("link", "set", near, "up")
            _ip("-n", self.namespace, "addr", "add", f"{network}.2/24", "dev", far)
            _ip("-n", self.namespace, "link", "set", far, "up")

    def command(self) -> list[str]:
        """What a command starts with that is to run in the namespace."""
        return ["ip", "netns", "exec", self.namespace]

    def lose(self) -> None:
        """Drop every packet between the host and its database."""
        _ip("link", "set", self._near("d"), "down")

    def restore(self) -> None:
        """Let packets pass again."""
        _ip("link", "set", self._near("d"), "up")

    def remove(self) -> None:
        """Delete the namespace and its links."""
        for command in (
            *(("link", "del", self._near(kind)) for kind in "cd"),
            ("netns", "del", self.namespace),
        ):
            with suppress(subprocess.CalledProcessError):  # it was not made
                _ip(*command)

    def _near(self, kind: str) -> str:
        return f"hs{os.getpid() % 10**6}-{self.number}{kind}"

    def _network(self, kind: str) -> str:
        third = 2 * self.number + (kind == "d")
        return f"10.{100 + os.getpid() % 100}.{third}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
