"""What ``make release`` builds, installed into environments that have nothing of this checkout."""

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest

from hotswap import __version__
from tests.c_modules import c_modules
from tests.environments import environment, install, locked_names, uninstall
from tests.system.real_server import ROOT, Server, free_port, running

pytestmark = pytest.mark.slow  # tests/integration/test_packaging.py checks the names and versions

PACKAGES = (
    *("api", "cli", "console", "keeper", "migrations", "registry", "trainers"),
    *("config.py", "wsgi.py"),
)
FLOWER = {"instances": [[5.1, 3.5, 1.4, 0.2]]}

WHERE = """
import importlib, json, sys
names = ["api", "cli.main", "config", "console", "hotswap", "keeper", "migrations", "registry"]
names += ["trainers"]
print(json.dumps([importlib.import_module(name).__file__ for name in names] + sys.path))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    release(ROOT, out)
    return out


def release(checkout: Path, out: Path, umask: int = 0o022) -> None:
    command = [sys.executable, checkout / "release.py", "--out", out]
    subprocess.run(command, check=True, timeout=300, umask=umask)


@pytest.fixture(scope="module")
def service_wheel(built: Path) -> Path:
    (wheel,) = built.glob("hotswap-*.whl")
    return wheel


@pytest.fixture(scope="module")
def client_wheel(built: Path) -> Path:
    (wheel,) = built.glob("hotswap_client-*.whl")
    return wheel


def committed(*paths: str) -> set[str]:
    """The files of the commit below ``paths``."""
    listed = ["git", "ls-tree", "-r", "--name-only", "HEAD", *paths]
    return set(subprocess.check_output(listed, cwd=ROOT, text=True).split())


def files_of(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    return {name for name in names if ".dist-info/" not in name}


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def client_files() -> set[str]:
    return {name.removeprefix("client/") for name in committed("client/hotswap")}


def test_the_service_wheel_contains_every_file_of_its_packages(service_wheel: Path) -> None:
    sources = {name for name in committed(*PACKAGES) if not name.endswith((".c", ".h"))}
    modules = {f"{name.replace('.', '/')}.abi3.so" for name in c_modules()}
    assert files_of(service_wheel) == sources | client_files() | modules
    assert {"migrations/script.py.mako", "registry/engines/chain_kernel.pyi"} <= sources


def test_the_client_wheel_contains_only_its_package(client_wheel: Path) -> None:
    assert files_of(client_wheel) == client_files()
    required = metadata_of(client_wheel).get_all("Requires-Dist") or []
    assert [line for line in required if "extra ==" not in line] == ["requests<3,>=2.32"]


def test_file_names_contain_version_and_platform(built: Path) -> None:
    python, platform = "cp311-abi3", "manylinux_2_" if sys.platform == "linux" else ""
    names = sorted(file.name for file in built.iterdir())
    assert len(names) == 4
    assert names[0].startswith(f"hotswap-{__version__}-{python}-{platform}")
    assert names[1:] == [
        f"hotswap-{__version__}.tar.gz",
        f"hotswap_client-{__version__}-py3-none-any.whl",
        f"hotswap_client-{__version__}.tar.gz",
    ]


def test_the_service_sdist_contains_the_sources_of_its_c_modules(built: Path) -> None:
    with tarfile.open(built / f"hotswap-{__version__}.tar.gz") as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert committed(*PACKAGES, "client/hotswap", "pyproject.toml", "README.md") <= names
    assert "registry/kernel.h" in names


def test_builds_of_one_commit_are_reproducible(built: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True, timeout=60)
    release(clone, tmp_path / "dist", umask=0o077)
    again = {file.name: file.read_bytes() for file in (tmp_path / "dist").iterdir()}
    assert again == {file.name: file.read_bytes() for file in built.iterdir()}


def test_the_client_wheel_contains_no_module_of_the_service(
    client_wheel: Path, tmp_path: Path
) -> None:
    needed = ("requests", "urllib3", "idna", "certifi", "charset-normalizer")
    python = environment(tmp_path / "env", needed)
    install(python, client_wheel)
    code = (
        "from importlib.util import find_spec; from hotswap import Registry; "
        "names = ['api', 'cli', 'client', 'config', 'console', 'keeper', 'registry']; "
        "names += ['migrations', 'trainers', 'wsgi']; "
        "print([name for name in names if find_spec(name)], Registry.__module__)"
    )
    said = subprocess.check_output([python, "-I", "-c", code], cwd=tmp_path, text=True)
    assert said == "[] hotswap.registry\n"


@pytest.fixture(scope="module")
def python(service_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the service's wheel and what it requires."""
    names = locked_names("requirements.txt") - {"setuptools"}
    made = environment(tmp_path_factory.mktemp("installed") / "env", names)
    install(made, service_wheel)
    return made


def test_the_installed_service_uses_nothing_of_the_checkout(python: Path) -> None:
    places = json.loads(subprocess.check_output([python, "-I", "-c", WHERE], cwd="/", text=True))
    (site,) = (python.parents[1] / "lib").glob("python*/site-packages")
    assert [place for place in places if str(ROOT) in place] == []
    assert all(str(site) in place for place in places[:7])
    for linked in (*site.glob("*.pth"), *site.glob("hotswap*.dist-info/*")):
        assert str(ROOT) not in linked.read_text()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for all starts, so that the demo is trained once."""
    return tmp_path_factory.mktemp("data") / "artifacts"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a file or folder of the name of every module of the service."""
    folder = tmp_path_factory.mktemp("hostile")
    for name in ("api", "config", "hotswap", "numpy", "wsgi"):
        (folder / f"{name}.py").write_text("raise SystemExit('imported from the directory')\n")
    for name in ("registry", "cli", "keeper", "migrations", "trainers", "client"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('imported')\n")
    return folder


@pytest.fixture(params=["/", "/proc", "hostile"])
def server(
    request: pytest.FixtureRequest, python: Path, data: Path, hostile: Path
) -> Iterator[Server]:
    """``hotswap serve --demo`` started in the root, where nothing can be written, and there."""
    cwd = hostile if request.param == "hostile" else Path(request.param)
    command = [python.parent / "hotswap", "serve", "--demo"]
    with running(command, data, free_port(), cwd=cwd) as started:
        yield started


def test_the_installed_service_predicts_from_any_directory(server: Server, hostile: Path) -> None:
    answer = server.call("POST", "/models/iris/predict", json=FLOWER)
    assert answer.json()["predictions"] == ["setosa"]
    assert server.call("GET", "/openapi.json").json()["info"]["version"] == __version__
    assert server.call("GET", "/version").json()["version"] == __version__
    assert server.call("GET", "/docs").status_code == 200

    hotswap = Path(server.process.args[0])  # type: ignore[index]
    listed = command(hotswap, "models", "--json", cwd=hostile, server=server)
    assert {"iris", "diabetes"} == {model["name"] for model in json.loads(listed.stdout)}
    for pid in (server.process.pid, *server.workers()):
        assert str(ROOT) not in Path(f"/proc/{pid}/maps").read_text()


def command(
    hotswap: Path, *arguments: str, cwd: Path, server: Server | None = None
) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOTSWAP_")}
    address = {"HOTSWAP_URL": f"http://127.0.0.1:{free_port()}"}
    if server:
        address = {"HOTSWAP_URL": server.url, "HOTSWAP_TOKEN": server.token}
    return subprocess.run(
        [hotswap, *arguments],
        env={**clean, **address},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_start_in_an_unwritable_place_names_the_setting(python: Path) -> None:
    port = str(free_port())
    ended = command(python.parent / "hotswap", "serve", "--port", port, cwd=Path("/proc"))
    assert ended.returncode == 1
    assert "/proc/artifacts cannot be used" in ended.stderr
    assert "--data or HOTSWAP_DATA" in ended.stderr


def test_a_client_wheel_installed_beside_the_service_is_reported(
    service_wheel: Path, client_wheel: Path, tmp_path: Path
) -> None:
    python = environment(tmp_path / "env", locked_names("requirements.txt"))
    install(python, service_wheel)
    install(python, client_wheel)
    hotswap = python.parent / "hotswap"

    found = json.loads(command(hotswap, "doctor", "--json", cwd=tmp_path).stdout)["findings"]
    (finding,) = [finding for finding in found if finding["check"] == "client"]
    assert finding["result"] == "warning"
    assert "Uninstall hotswap-client" in finding["advice"]

    uninstall(python, "hotswap-client")  # which removes the package from the service
    failed = command(hotswap, "models", cwd=tmp_path)
    assert failed.returncode == 1
    assert "The package hotswap is not installed completely" in failed.stderr
    assert "install the service again" in failed.stderr

    install(python, service_wheel)
    assert command(hotswap, "--version", cwd=tmp_path).stdout == f"hotswap {__version__}\n"
    assert command(hotswap, "models", cwd=tmp_path).returncode == 3  # no service is running
