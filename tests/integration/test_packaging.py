"""The names of modules, the version that all report, and an installation with another client."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

import hotswap
from hotswap import Registry
from registry.blobs.local import LocalBlobStore
from registry.doctor.findings import Installation
from registry.doctor.software import check_client
from tests.integration.cli.fake_service import HSW, running
from tests.missing_library import missing_library

BIN = Path(sys.executable).parent
NOTHING = Installation(Path("data"), None, LocalBlobStore(Path("data")))

NAMES = """
import importlib, json, sys, sysconfig
from importlib.util import find_spec
from cli.main import COMMANDS

for command in COMMANDS.values():
    importlib.import_module(command.target.partition(":")[0])
libraries = tuple(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib"))
files = {}
for name, module in sorted(sys.modules.items()):
    file = getattr(module, "__file__", None)
    if file and not file.startswith(libraries):
        files.setdefault(file, []).append(name)
twice = [names for names in files.values() if len(names) > 1]
print(json.dumps({"ours": len(files), "twice": twice, "client": find_spec("client") is not None}))
"""


@pytest.mark.slow  # it imports all of them
def test_no_module_is_imported_under_two_names() -> None:
    """Otherwise an error raised by one copy would not be caught as the class of the other."""
    found = subprocess.run(
        [sys.executable, "-I", "-c", NAMES],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    modules = json.loads(found.stdout)
    assert modules.pop("ours") > 100
    assert modules == {"twice": [], "client": False}


def test_command_distribution_and_client_report_the_same_version() -> None:
    printed = subprocess.run(
        [BIN / "hotswap", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert hotswap.__version__ == version("hotswap")
    assert printed.stdout == f"hotswap {hotswap.__version__}\n"


def test_the_service_and_the_client_have_the_same_plugin_of_mlflow() -> None:
    """Both contain the package: whoever has only one of them can use it."""
    root = Path(__file__).resolve().parents[2]
    service, client = (
        tomllib.loads((root / folder / "pyproject.toml").read_text())["project"]["entry-points"]
        for folder in (".", "client")
    )
    assert service == client
    assert set(service) == {"mlflow.model_registry_store", "mlflow.artifact_repository"}


def test_the_client_sends_its_version_with_each_request() -> None:
    with running() as service, Registry(service.url, HSW) as registry:
        registry.own_token()
    (request,) = service.requests
    assert request.headers["User-Agent"].startswith(f"hotswap-client/{hotswap.__version__} ")


def distribution(folder: Path, name: str, release: str) -> None:
    """The record of an installed distribution in ``folder``."""
    record = folder / f"{name.replace('-', '_')}-{release}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n")


@contextmanager
def on_the_path(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def models(path: Path) -> subprocess.CompletedProcess[str]:
    """``hotswap models`` where Python searches ``path`` before the installed distributions."""
    return subprocess.run(
        [BIN / "hotswap", "models"],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(("release", "result"), [(version("hotswap"), "warning"), ("9.9", "fault")])
def test_doctor_reports_a_client_that_is_installed_beside_the_service(
    tmp_path: Path, release: str, result: str
) -> None:
    distribution(tmp_path, "hotswap-client", release)
    with on_the_path(tmp_path):
        (finding,) = check_client(NOTHING)
    assert (finding.check, finding.result) == ("client", result)
    assert f"hotswap-client {release} is installed" in finding.message
    assert finding.advice.startswith("Uninstall hotswap-client.")


def test_doctor_reports_nothing_of_an_environment_with_the_service_alone() -> None:
    assert list(check_client(NOTHING)) == []


def test_doctor_reports_that_the_package_of_the_client_is_missing() -> None:
    with missing_library("hotswap"):
        (finding,) = check_client(NOTHING)
    assert (finding.result, finding.message) == ("fault", "the package hotswap is missing")


def test_a_command_refuses_a_client_of_another_release(tmp_path: Path) -> None:
    distribution(tmp_path, "hotswap", "9.9")
    ended = models(tmp_path)
    assert ended.returncode == 1
    said = f"The package hotswap is of release {hotswap.__version__}, the service of 9.9."
    assert said in ended.stderr
    assert "If hotswap-client is installed in this environment, uninstall it." in ended.stderr


def test_a_command_says_that_the_package_of_the_client_is_incomplete(tmp_path: Path) -> None:
    (tmp_path / "hotswap").mkdir()
    (tmp_path / "hotswap" / "__init__.py").touch()
    ended = models(tmp_path)
    assert ended.returncode == 1
    assert "The package hotswap is not installed completely" in ended.stderr
    assert "Traceback" not in ended.stderr
