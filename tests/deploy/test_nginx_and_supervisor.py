"""deploy/nginx and deploy/supervisor: TLS, HTTP/2, and a service that is restarted."""

import json
from collections.abc import Iterator

import pytest

from tests.deploy.conftest import Report
from tests.deploy.machine import CERTIFICATE, DEPLOY, HOST, Machine, machine

pytestmark = pytest.mark.slow  # they boot a machine; make deploy-check runs them

URL = f"https://{HOST}"
TRUST = ("--certificate", CERTIFICATE)


@pytest.fixture(scope="module")
def host() -> Iterator[Machine]:
    """A machine with nginx and, under supervisor, the service."""
    with machine() as host:
        host.make_certificate()
        host.install_nginx()
        host.install(DEPLOY / "supervisor" / "hotswap.conf", "/etc/supervisor/conf.d/hotswap.conf")
        host.run("systemctl", "start", "nginx", "supervisor")
        host.ready(URL, lambda: host.run("cat", "/var/log/supervisor/hotswap.log", check=False))
        yield host


def token(host: Machine) -> str:
    return host.run("cat", "/var/lib/hotswap/data/admin.token").strip()


def request(host: Machine, path: str, *options: str) -> str:
    """The head and the body of an answer through nginx."""
    return host.run("curl", "-sS", "-i", "--cacert", CERTIFICATE, *options, f"{URL}{path}")


def statuses(host: Machine, path: str, *options: str) -> list[str]:
    """The statuses of the requests to a path with a range, as curl writes them."""
    quiet = ("--silent", "--output", "/dev/null", "--stderr", "/dev/null")
    report = ("--cacert", CERTIFICATE, "--write-out", r"%{http_code}\n")
    return host.run("curl", *quiet, *report, *options, f"{URL}{path}").split()


def test_versions_are_swapped_under_load(host: Machine, report: Report) -> None:
    programs = [host.run("nginx", "-v"), host.run("supervisord", "--version")]
    started = "nginx {} (TLS, HTTP/2) and supervisor {} under systemd".format(
        programs[0].strip().rpartition("/")[2], programs[1].strip()
    )

    report("nginx + supervisor", started, host.load(URL, token(host), *TRUST))


def test_http_2_is_offered(host: Machine) -> None:
    head = request(host, "/readyz", "--http2").splitlines()[0]

    assert head.startswith("HTTP/2 200")


def test_plain_http_is_redirected_with_its_method(host: Machine) -> None:
    head = host.run("curl", "-sS", "-i", "-X", "POST", f"http://{HOST}/models")

    assert head.startswith("HTTP/1.1 308")
    assert f"Location: {URL}/models" in head


def test_a_body_over_the_limit_is_answered_with_a_problem(host: Machine) -> None:
    host.run("truncate", "--size", "17M", "/root/body")

    answer = request(host, "/models/iris/predict", "--http1.1", "--data-binary", "@/root/body")

    head, _, body = answer.replace("HTTP/1.1 100 Continue\n\n", "").partition("\n\n")
    assert head.startswith("HTTP/1.1 413")
    assert json.loads(body)["type"] == "/problems/too-large"


@pytest.mark.parametrize(
    ("path", "megabytes", "status", "kind"),
    [
        ("/models/iris/versions", 60, 401, "unauthenticated"),
        ("/models/iris/holdout", 514, 413, "too-large"),
    ],
)
def test_an_upload_that_is_refused_while_it_arrives_is_answered_by_the_service(
    host: Machine, path: str, megabytes: int, status: int, kind: str
) -> None:
    """nginx passes it on while it arrives, and the service answers before all of it has."""
    host.run("truncate", "--size", f"{megabytes}M", "/root/upload")
    method = "POST" if status == 401 else "PUT"
    fields = ["Content-Type: text/csv"]
    fields += [f"Authorization: Bearer {token(host)}"] if status != 401 else []
    options = [option for field in fields for option in ("--header", field)]
    for _ in range(10):
        answer = request(
            *(host, path, "--http1.1", "--request", method, *options),
            *("--data-binary", "@/root/upload"),
        )

        head, _, body = answer.replace("HTTP/1.1 100 Continue\n\n", "").partition("\n\n")
        assert head.startswith(f"HTTP/1.1 {status}")
        assert json.loads(body)["type"] == f"/problems/{kind}"


def test_an_address_above_its_rate_gets_429_with_retry_after(host: Machine) -> None:
    said = statuses(host, "/version?n=[1-200]", "--parallel")

    assert set(said) == {"200", "429"}
    assert said.count("200") >= 40


def test_failed_authentications_are_limited_by_the_caller_s_address(host: Machine) -> None:
    guess = ("--data", "{}", "--header", "Authorization: Bearer hsw_guessed")

    said = statuses(host, "/models/iris/predict?n=[1-60]", *guess, "--interface", "127.0.0.2")
    another = statuses(host, "/models/iris/predict", *guess, "--interface", "127.0.0.3")

    assert set(said) == {"401", "429"}
    assert another == ["401"]


def test_a_service_that_is_killed_is_started_again(host: Machine) -> None:
    def process() -> str:
        return host.run("supervisorctl", "pid", "hotswap").strip()

    before = process()

    host.run("kill", "-KILL", before)

    host.wait(lambda: process() not in {before, "0"}, lambda: host.run("supervisorctl", "status"))
    host.ready(URL, lambda: host.run("tail", "-50", "/var/log/supervisor/hotswap.log"))


def test_a_service_that_is_stopped_ends_by_itself(host: Machine) -> None:
    host.run("supervisorctl", "stop", "hotswap")

    log = host.run("cat", "/var/log/supervisor/supervisord.log")
    assert "stopped: hotswap (exit status 0)" in log
    assert host.status(f"{URL}/readyz") == "503"
