"""Containers by podman, from images that are built here.

No registry of images can be reached. In place of Python's images there is one of Debian's packages,
with Debian's Python 3.11 and its compiler.
"""

import errno
import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.machine import DEPLOY, ROOT, Machine

BASES = ("docker.io/library/python:3.11-bookworm", "docker.io/library/python:3.11-slim-bookworm")
PACKAGES = "python3,python3-venv,python3-dev,gcc,libc6-dev,ca-certificates"
IMAGE = "localhost/hotswap"
_BUILD_SECONDS = 900


@dataclass(frozen=True)
class Engine:
    """podman with its images and containers in ``folder``."""

    folder: Path

    def podman(self, *arguments: str | Path) -> list[str | Path]:
        """A command of podman."""
        return [
            *("env", f"CONTAINERS_CONF={self.folder}/containers.conf"),
            *("podman", "--root", self.folder / "store", "--runroot", self.folder / "run"),
            *("--storage-driver", "overlay", "--cgroup-manager", "cgroupfs", *arguments),
        ]

    def build(self) -> None:
        """Build the image of deploy/docker, on this machine, since it needs Python's packages."""
        # podman would raise its own limits, which not every root may.
        files = min(16384, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        ulimits = f'"nofile={files}:{files}", "nproc=4096:4096"'
        (self.folder / "containers.conf").write_text(
            f'[containers]\ndefault_ulimits = [{ulimits}]\ncgroups = "disabled"\n'
            'netns = "host"\n[engine]\nevents_logger = "file"\n'
        )
        base = self.folder / "base.tar"
        link = 'ln -s python3 "$1/usr/bin/python"'
        _run(
            "mmdebstrap",
            "--quiet",
            "--variant=minbase",
            f"--include={PACKAGES}",
            f"--customize-hook={link}",
            "bookworm",
            base,
        )
        self._run("import", "--quiet", base, BASES[0])
        base.unlink()
        self._run("tag", *BASES)
        self._run(
            *("build", "--format", "docker", "--pull=never", "--network", "host"),
            # Of the engine's ways to run a step, the one that changes no limits of its process.
            *("--isolation", "chroot", *self._pip()),
            *("--ignorefile", DEPLOY / "docker" / "Dockerfile.dockerignore"),
            *("--file", DEPLOY / "docker" / "Dockerfile", "--tag", IMAGE, ROOT),
        )

    def _run(self, *arguments: str | Path) -> None:
        """Run podman here, with mounts of its own, which end with it."""
        _run("unshare", "--mount", *self.podman(*arguments))

    def _pip(self) -> list[str]:
        """Options that let pip in a build use the index and the certificates that it uses here."""
        python = Path(sys.base_prefix) / "bin" / "python3"  # an environment may lack pip
        said = _run(python, "-m", "pip", "config", "list")
        known = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
        found = {key.rpartition(".")[2]: value.strip("'\"") for key, value in known.items()}
        kept = {key: found[key] for key in ("cert", "index-url") if key in found}
        file = self.folder / "pip.conf"
        file.write_text("[global]\n" + "".join(f"{key} = {kept[key]}\n" for key in kept))
        options = ["--volume", f"{file}:/etc/pip.conf:ro"]
        if "cert" in kept:
            options += ["--volume", f"{kept['cert']}:{kept['cert']}:ro"]
        return options


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        list(command), capture_output=True, text=True, timeout=_BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@dataclass(frozen=True)
class Container:
    """A running container on ``host``."""

    host: Machine
    engine: Engine
    name: str

    def podman(self, *arguments: str, check: bool = True) -> str:
        """Run a command of podman on the host."""
        return self.host.run(*self.engine.podman(*arguments), check=check)

    def log(self) -> str:
        """What it has printed."""
        return self.podman("logs", self.name, check=False)

    def execute(self, *command: str) -> str:
        """Run a command in it."""
        return self.podman("exec", self.name, *command)

    def stop(self, seconds: int) -> int:
        """Stop it as its image says, kill it after ``seconds``; its exit code."""
        self.podman("stop", "--time", str(seconds), self.name)
        return int(self.podman("inspect", "--format", "{{.State.ExitCode}}", self.name))


@contextmanager
def container(host: Machine, engine: Engine, name: str, *options: str) -> Iterator[Container]:
    """Run the image with ``options`` on the network of ``host`` until the block ends."""
    made = Container(host, engine, name)
    made.podman("run", "--detach", "--name", name, "--network", "host", *options, IMAGE)
    try:
        yield made
    finally:
        made.podman("rm", "--force", "--volumes", name)


def filter_without_namespaces(engine: Engine) -> Path:
    """A filter of system calls that refuses namespaces and mounts, as the default filters of Docker
    and containerd do: podman's without the rules that allow them."""
    refused = {"unshare", "setns", "mount", "umount", "umount2", "pivot_root"}
    profile = json.loads(Path("/usr/share/containers/seccomp.json").read_text())
    for rule in profile["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in refused]
    profile["syscalls"] = [rule for rule in profile["syscalls"] if rule["names"]]
    profile["syscalls"].append(
        {"names": sorted(refused), "action": "SCMP_ACT_ERRNO", "errnoRet": errno.EPERM}
    )
    file = engine.folder / "filter.json"
    file.write_text(json.dumps(profile))
    return file


def compose_options(service: dict[str, Any], folder: Path) -> list[str]:
    """The options of podman for a service of a compose file, whose own folder is ``folder``."""
    options = [f"--shm-size={service['shm_size']}"]
    options += ["--read-only", "--read-only-tmpfs=false"] if service["read_only"] else []
    options += [f"--tmpfs={place}" for place in service["tmpfs"]]
    options += [f"--cap-drop={name}" for name in service["cap_drop"]]
    options += [
        f"--security-opt={value.removesuffix(':true')}" for value in service["security_opt"]
    ]
    options += [f"--env={name}={value}" for name, value in service["environment"].items()]
    volumes = [re.sub(r"^\./", f"{folder}/", volume) for volume in service["volumes"]]
    return options + [f"--volume={volume}" for volume in volumes]


def pod_options(
    pod: dict[str, Any], secrets: dict[str, str], folder: Path | None = None
) -> list[str]:
    """The options of podman for the only container of a pod; ``secrets`` by key. Those that are
    mounted are written to ``folder``."""
    (container,) = pod["containers"]
    own, shared = container["securityContext"], pod["securityContext"]
    options = [f"--user={shared['runAsUser']}:{shared['runAsGroup']}"]
    options.append(f"--group-add={shared['fsGroup']}")
    options += [f"--cap-drop={name}" for name in own["capabilities"]["drop"]]
    options += ["--read-only", "--read-only-tmpfs=false"] if own["readOnlyRootFilesystem"] else []
    options += [] if own["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges"]
    for variable in container["env"]:
        source = variable.get("valueFrom", {})
        if "fieldRef" in source:  # the name of the pod, which the caller knows
            continue
        value = secrets[source["secretKeyRef"]["key"]] if source else variable["value"]
        options.append(f"--env={variable['name']}={value}")
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    for mount in container["volumeMounts"]:
        volume, place = volumes[mount["name"]], mount["mountPath"]
        if "secret" in volume and folder is not None:
            (item,) = volume["secret"]["items"]
            file = folder / item["path"]
            file.write_text(secrets[item["key"]])
            file.chmod(0o644)
            options.append(f"--volume={file}:{place}:ro")
        elif "emptyDir" in volume:
            options.append(f"--mount=type=tmpfs,destination={place},tmpfs-mode=1777")
        else:
            options.append(f"--volume={mount['name']}:{place}")
    return options
