"""deploy/systemd: a hardened service in which uploads are still opened with every defence."""

import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.deploy.conftest import Report
from tests.deploy.machine import DEPLOY, ROOT, Machine, machine

pytestmark = pytest.mark.slow  # they boot a machine; make deploy-check runs them

UNIT = "/etc/systemd/system/hotswap.service"
SOCKET = "/etc/systemd/system/hotswap.socket"
URL = "http://127.0.0.1:8000"
HOMES = ("/root", "/home")
MOST_EXPOSED = 3.0
"""The score that systemd gives the unit, from 0 to 10."""


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine on which systemd runs the service."""
    with machine() as host:
        host.install(DEPLOY / "systemd" / "hotswap.service", UNIT)
        host.install(DEPLOY / "systemd" / "hotswap.socket", SOCKET)
        show_homes(host)
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "start", "hotswap.socket")
        # The first connection starts the service.
        host.ready(URL, lambda: log(host))
        yield host


def show_homes(host: Machine) -> None:
    """The unit hides home directories. Where Python or this checkout lies in one, as pyenv's does,
    the service sees that part."""
    shown = [place for place in (Path(sys.base_prefix), ROOT) if str(place).startswith(HOMES)]
    if shown:
        places = " ".join(map(str, shown))
        lines = f"[Service]\nProtectHome=tmpfs\nBindReadOnlyPaths={places}\n"
        host.write(f"{UNIT}.d/python.conf", lines)


def log(host: Machine) -> str:
    return host.run("journalctl", "--unit=hotswap", "--no-pager", check=False)


def main_process(host: Machine) -> str:
    return host.run("systemctl", "show", "--value", "--property=MainPID", "hotswap").strip()


def test_versions_are_swapped_under_load(host: Machine, report: Report) -> None:
    token = host.run("cat", "/var/lib/hotswap/registry/admin.token")
    version = host.run("systemctl", "--version").split()[1]

    report("systemd", f"systemd {version}, all hardening options in force", host.load(URL, token))


def test_the_unit_is_valid(host: Machine) -> None:
    assert host.run("systemd-analyze", "verify", UNIT, SOCKET) == ""


def test_the_exposure_score_of_the_unit_is_low(host: Machine) -> None:
    said = host.run("systemd-analyze", "security", "--no-pager", "hotswap.service")

    score = re.search(r"Overall exposure level for hotswap.service: ([\d.]+)", said)
    assert score is not None
    assert float(score[1]) < MOST_EXPOSED, said


def test_uploads_are_inspected_with_every_defence(host: Machine) -> None:
    host.wait(lambda: "with every defence" in log(host), lambda: log(host))
    assert "lack a defence" not in log(host)


def test_the_service_cannot_write_outside_its_directory(host: Machine) -> None:
    main = main_process(host)
    for place in ("/etc", "/opt", "/usr", "/var/log"):
        said = host.run("nsenter", "--target", main, "--mount", "touch", f"{place}/x", check=False)
        assert "Read-only file system" in said


def test_a_reload_replaces_the_processes_under_load(host: Machine, report: Report) -> None:
    before = main_process(host)
    token = host.run("cat", "/var/lib/hotswap/registry/admin.token")

    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(host.load, URL, token)
        host.run("systemctl", "reload", "hotswap")
        verdict = loading.result()

    host.wait(lambda: main_process(host) not in {before, "0"}, lambda: log(host))
    report("systemd, reloaded", "the same; systemctl reload during the promotions", verdict)


def test_a_successor_from_a_shell_is_refused(host: Machine) -> None:
    """systemd would take the end of its own process for the end of the service."""
    before = main_process(host)

    said = host.run(
        *("runuser", "-u", "hotswap", "--", "env", "HOTSWAP_DATA=/var/lib/hotswap/registry"),
        *("/opt/hotswap/.venv/bin/hotswap", "serve", "--take-over"),
        check=False,
    )

    assert "it is a service of systemd. Replace it with 'systemctl reload'" in said
    assert main_process(host) == before


def test_the_service_drains_when_it_is_stopped(host: Machine) -> None:
    host.run("systemctl", "stop", "hotswap")

    properties = ("--property=Result", "--property=ExecMainStatus")
    assert host.run("systemctl", "show", *properties, "hotswap").split() == [
        "Result=success",
        "ExecMainStatus=0",
    ]
