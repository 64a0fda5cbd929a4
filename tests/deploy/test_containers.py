"""deploy/docker and deploy/kubernetes: the image is built, and run with the options of each."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import Report
from tests.deploy.containers import Container, Engine, compose_options, pod_options
from tests.deploy.machine import CERTIFICATE, DEPLOY, HOST, Machine, machine

pytestmark = pytest.mark.slow  # they build an image; make deploy-check runs them

URL = "http://127.0.0.1:8000"
SECRET = "admin-token-of-the-pod-0123456789"
COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
POD = yaml.safe_load((DEPLOY / "kubernetes" / "deployment.yaml").read_text())["spec"]["template"]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    # Not in /tmp, which the machine has for itself.
    with tempfile.TemporaryDirectory(prefix="hotswap-images-", dir="/var/tmp") as folder:
        engine = Engine(Path(folder))
        engine.build()
        yield engine


@pytest.fixture(scope="module")
def host(engine: Engine) -> Iterator[Machine]:
    with machine(shared=engine.folder) as host:
        host.make_certificate()
        host.install(DEPLOY / "nginx" / "hotswap.conf", "/etc/nginx/conf.d/hotswap.conf")
        host.run("systemctl", "start", "nginx")
        yield host


def test_versions_are_swapped_under_load_in_the_container_of_the_compose_file(
    host: Machine, engine: Engine, report: Report
) -> None:
    service = COMPOSE["services"]["hotswap"]
    container = Container(host, engine, "compose")
    container.start(*compose_options(service))
    host.ready(f"https://{HOST}", container.log)

    assert container.execute("id", "-u").strip() == "10001"
    container.podman("healthcheck", "run", container.name)
    # The engine's filter allows no user namespaces; the other defences against uploads remain.
    lacking = [line for line in container.log().splitlines() if "lack a defence" in line]
    assert len(lacking) == 1, container.log()
    assert "no private file system" in lacking[0]
    token = container.execute("cat", "/data/registry/admin.token")
    version = container.podman("--version").split()[-1]
    verdict = host.load(f"https://{HOST}", token, "--certificate", CERTIFICATE)
    assert container.stop(int(service["stop_grace_period"].removesuffix("s"))) == 0

    started = (
        f"image built and run by podman {version} on Debian's Python, compose's options, nginx"
    )
    report("docker", started, verdict)


def test_any_user_of_group_0_can_run_the_image(host: Machine, engine: Engine) -> None:
    container = Container(host, engine, "anybody")

    container.start("--user=123456:0", "--read-only", "--volume=anybody:/data")

    host.ready(URL, container.log)
    assert container.execute("id", "-u").strip() == "123456"
    assert container.stop(45) == 0


def test_versions_are_swapped_under_load_in_the_container_of_the_pod(
    host: Machine, engine: Engine, report: Report
) -> None:
    container = Container(host, engine, "pod")
    container.start(*pod_options(POD["spec"], {"admin-token": SECRET}))
    (spec,) = POD["spec"]["containers"]
    probes = {kind: spec[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness")}
    for path in probes.values():
        host.wait(lambda path=path: host.status(URL + path) == "200", container.log)

    verdict = host.load(URL, SECRET)
    container.execute(*spec["lifecycle"]["preStop"]["exec"]["command"])
    assert container.stop(POD["spec"]["terminationGracePeriodSeconds"] - 5) == 0

    report("kubernetes", "the pod's container, by podman; no cluster can run here", verdict)
