"""deploy/gunicorn, with nginx in front of it."""

from collections.abc import Iterator

import pytest

from tests.deploy.conftest import Report
from tests.deploy.machine import CERTIFICATE, DEPLOY, HOST, Machine, machine

pytestmark = pytest.mark.slow  # they boot a machine; make deploy-check runs them

URL = f"https://{HOST}"
GUNICORN = "/opt/hotswap/.venv/bin/gunicorn"
CONFIGURATION = "/opt/hotswap/deploy/gunicorn/gunicorn.conf.py"
DATA = "/var/lib/hotswap/data"


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine with nginx and gunicorn."""
    with machine() as host:
        host.make_certificate()
        host.install_nginx()
        settings = {
            "HOTSWAP_DATA": DATA,
            "HOTSWAP_ALLOWED_HOSTS": HOST,
            "HOTSWAP_TRUSTED_PROXIES": "1",
            "HOTSWAP_WORKERS": "2",
        }
        host.run(
            *("systemd-run", "--unit=gunicorn", "--property=User=hotswap"),
            *("--property=Type=notify", "--property=KillMode=mixed"),
            *(f"--setenv={name}={value}" for name, value in settings.items()),
            *(GUNICORN, "--config", CONFIGURATION, "--chdir", "/opt/hotswap", "wsgi:app"),
        )
        unit = "hotswap-keeper.service"
        host.install(DEPLOY / "gunicorn" / unit, f"/etc/systemd/system/{unit}")
        host.run("systemctl", "daemon-reload")
        host.run("systemctl", "start", "nginx", unit)
        host.ready(URL, lambda: host.run("journalctl", "--unit=gunicorn", "--no-pager"))
        yield host


def workers(host: Machine) -> set[str]:
    main = host.run("systemctl", "show", "--value", "--property=MainPID", "gunicorn").strip()
    return set(host.run("pgrep", "--parent", main).split())


def test_versions_are_swapped_under_load(host: Machine, report: Report) -> None:
    assert len(workers(host)) == 2
    token = host.run("cat", f"{DATA}/admin.token")
    version = host.run(GUNICORN, "--version").strip().rpartition(" ")[2].rstrip(")")

    verdict = host.load(URL, token, "--certificate", CERTIFICATE)

    report("nginx + gunicorn", f"nginx (TLS, HTTP/2) and gunicorn {version}, gthread", verdict)


def test_a_reload_replaces_the_workers(host: Machine) -> None:
    before = workers(host)

    host.run("systemctl", "kill", "--signal=HUP", "--kill-whom=main", "gunicorn")

    def replaced() -> bool:
        now = workers(host)
        return len(now) == 2 and not now & before

    host.wait(replaced, lambda: host.run("journalctl", "--unit=gunicorn", "--no-pager"))
    host.ready(URL, lambda: host.run("journalctl", "--unit=gunicorn", "--no-pager"))


def test_the_keeper_runs_beside_it(host: Machine) -> None:
    def beat() -> tuple[int, ...]:
        said = host.run("od", "--format=d8", "--address-radix=n", f"{DATA}/run/keeper", check=False)
        figures = said.split()[:2]
        return tuple(int(one) for one in figures if one.isdigit())

    log = lambda: host.run("journalctl", "--unit=hotswap-keeper", "--no-pager")  # noqa: E731
    host.wait(lambda: len(beat()) == 2, log)
    first, pid = beat()
    host.wait(lambda: beat()[0] > first, log)

    main = host.run("systemctl", "show", "--value", "--property=MainPID", "hotswap-keeper")
    assert pid == int(main)
    host.run("systemctl", "kill", "--signal=KILL", "hotswap-keeper")
    host.wait(lambda: beat()[1] != pid, log)
