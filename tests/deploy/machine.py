"""A machine to deploy on: this one's files, booted by systemd in namespaces of its own.

Its root is an overlay over the real one, so a deployment's files are installed where its page says,
unchanged, and services listen on their real ports. Nothing that happens there remains. Its only
network is its own loopback, until it is connected to this machine. Requires root and cgroup2.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.load import Verdict

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
HOST = "models.example.com"
"""The name in the files of ``deploy/``; on the machine it is 127.0.0.1."""
CERTIFICATE = "/etc/ssl/hotswap/fullchain.pem"
PATIENCE_SECONDS = 120
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_BOOT = """
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount --rbind /sys sys
umount -R sys/fs/cgroup
mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
for device in null zero full random urandom tty fuse; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
ln -s /proc/self/fd dev/fd
ln -s pts/ptmx dev/ptmx
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
[ -z "$2" ] || mount --bind "$2" ".$2"
mkdir run/old
pivot_root . run/old
umount -l /run/old
rmdir /run/old
ip link set lo up
exec env -i container=machine /lib/systemd/systemd --system --unit=basic.target --show-status=no
"""


@dataclass(frozen=True)
class Cable:
    """A link between the machine that the tests run on and another one. It ends with that one."""

    number: int

    @property
    def name(self) -> str:
        return f"hm{os.getpid() % 10**6}-{self.number}"

    @property
    def outside(self) -> str:
        """The address of the machine that the tests run on."""
        return f"10.{100 + os.getpid() % 100}.{100 + self.number}.1"

    @property
    def inside(self) -> str:
        """The address of the other machine."""
        return f"10.{100 + os.getpid() % 100}.{100 + self.number}.2"


@dataclass(frozen=True)
class Machine:
    """``init`` is its first process, as this machine numbers it."""

    init: int

    def run(self, *command: str | Path, check: bool = True) -> str:
        """Run a command as root to its end; its output, both streams."""
        done = subprocess.run(
            [
                *("nsenter", "--target", str(self.init), "--all"),
                *("env", "--chdir", str(ROOT), *map(str, command)),
            ],
            env={"PATH": PATH, "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            check=False,
        )
        if check and done.returncode:
            pytest.fail(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def connect(self, number: int) -> "Cable":
        """Connect it to the machine that the tests run on, by the network with this number."""
        cable = Cable(number)
        link = ("type", "veth", "peer", "name", "eth0", "netns", str(self.init))
        for command in (
            ("link", "add", cable.name, *link),
            ("addr", "add", f"{cable.outside}/24", "dev", cable.name),
            ("link", "set", cable.name, "up"),
        ):
            subprocess.run(["ip", *command], check=True, capture_output=True)
        self.run("ip", "addr", "add", f"{cable.inside}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        return cable

    def install(self, source: Path, target: str) -> None:
        """Install a file of ``deploy/``, unchanged."""
        self.run("install", "-D", "-m", "644", source, target)

    def install_nginx(self, upstream: str = "upstream.conf") -> None:
        """Install the files of deploy/nginx, with this one for the service behind it."""
        self.install(DEPLOY / "nginx" / "hotswap.conf", "/etc/nginx/conf.d/hotswap.conf")
        self.install(DEPLOY / "nginx" / upstream, "/etc/nginx/conf.d/upstream.conf")

    def write(self, path: str, text: str) -> None:
        """Write a file that only root may read."""
        script = 'umask 077 && mkdir -p "$(dirname "$1")" && printf %s "$2" > "$1"'
        self.run("sh", "-c", script, "write", path, text)

    def make_certificate(self) -> None:
        """Sign a certificate for ``HOST`` by itself, where deploy/nginx expects one."""
        self.run("mkdir", "-p", "/etc/ssl/hotswap")
        self.run(
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-noenc", "-days", "2", "-subj", f"/CN={HOST}", "-addext"),
            *(f"subjectAltName=DNS:{HOST}", "-out", CERTIFICATE),
            *("-keyout", "/etc/ssl/hotswap/privkey.pem"),
        )

    def wait(self, holds: Callable[[], bool], otherwise: Callable[[], str]) -> None:
        """Wait until ``holds``; fail with what ``otherwise`` says."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            if time.monotonic() > deadline:
                pytest.fail(otherwise())
            time.sleep(0.1)

    def status(self, url: str, *options: str) -> str:
        """The status of a request to ``url`` by curl; 000 if there was no answer."""
        command = ("curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}")
        return self.run(*command, "--cacert", CERTIFICATE, *options, url, check=False)

    def ready(self, url: str, log: Callable[[], str], *options: str) -> None:
        """Wait until the service at ``url`` is ready; fail with its ``log``."""
        self.wait(lambda: self.status(f"{url}/readyz", *options) == "200", log)

    def load(self, url: str, token: str, *options: str) -> Verdict:
        """What clients got while versions were swapped; see load.py."""
        said = self.run(sys.executable, "-m", "tests.deploy.load", url, token.strip(), *options)
        return Verdict(**json.loads(said.splitlines()[-1]))


@contextmanager
def machine(shared: Path | None = None) -> Iterator[Machine]:
    """A new machine, with the user ``hotswap`` and this checkout as ``/opt/hotswap``.

    ``shared``: a folder that is also on this machine, at the same place; not below ``/tmp``.
    """
    if os.geteuid() != 0:
        pytest.fail("deployments are started in namespaces, which requires root")
    with tempfile.TemporaryDirectory(prefix="hotswap-machine-") as folder, _cgroup() as group:
        unshare = ["unshare", *(f"--{kind}" for kind in ("mount", "net", "pid", "ipc", "uts"))]
        booting = subprocess.Popen(
            [
                *("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', group),
                *(*unshare, "--cgroup", "--fork", "--kill-child=KILL"),
                *("sh", "-c", _BOOT, "boot", folder, str(shared or "")),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            made = Machine(_first_process(booting))
            made.wait(
                lambda: made.run("systemctl", "is-system-running", check=False) == "running\n",
                lambda: made.run("systemctl", "list-units", "--failed", check=False),
            )
            _furnish(made)
            yield made
        finally:
            booting.kill()
            booting.wait()


@contextmanager
def _cgroup() -> Iterator[Path]:
    """A cgroup, removed at the end with all that systemd has made in it."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    root = next(Path(place) for _, place, kind, *_ in mounts if kind == "cgroup2")
    own = Path("/proc/self/cgroup").read_text().splitlines()[-1].removeprefix("0::/")
    group = Path(tempfile.mkdtemp(prefix="hotswap-machine-", dir=root / own))
    try:
        yield group
    finally:
        for folder, _, _ in os.walk(group, topdown=False):
            _remove(Path(folder))


def _remove(group: Path) -> None:
    """Remove a cgroup as soon as its processes have ended."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _first_process(booting: "subprocess.Popen[bytes]") -> int:
    """The process id of systemd, once it runs."""
    children = Path(f"/proc/{booting.pid}/task/{booting.pid}/children")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while booting.poll() is None and time.monotonic() < deadline:
        for child in children.read_text().split():
            if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                return int(child)
        time.sleep(0.05)
    pytest.fail("systemd did not start")


def _furnish(made: Machine) -> None:
    made.run("useradd", "--system", "--home-dir", "/var/lib/hotswap", "--create-home", "hotswap")
    made.run("ln", "-s", ROOT, "/opt/hotswap")
    made.run("sh", "-c", f"echo 127.0.0.1 {HOST} >> /etc/hosts")
    # A Python in the home of root, as pyenv installs it, is closed to other users.
    made.run("chmod", "o+x", *Path(sys.base_prefix).parents, *ROOT.parents)
