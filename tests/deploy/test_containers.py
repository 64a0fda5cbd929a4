"""deploy/docker and deploy/kubernetes: the image is built, and run with the options of each."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import Report
from tests.deploy.containers import (
    Engine,
    compose_options,
    container,
    filter_without_namespaces,
    pod_options,
)
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
        host.install_nginx()
        host.run("systemctl", "start", "nginx")
        yield host


def test_versions_are_swapped_under_load_in_the_container_of_the_compose_file(
    host: Machine, engine: Engine, report: Report
) -> None:
    service = COMPOSE["services"]["hotswap"]
    with container(host, engine, "compose", *compose_options(service)) as made:
        host.ready(f"https://{HOST}", made.log)

        assert made.execute("id", "-u").strip() == "10001"
        made.podman("healthcheck", "run", made.name)
        token = made.execute("cat", "/data/registry/admin.token")
        version = made.podman("--version").split()[-1]
        verdict = host.load(f"https://{HOST}", token, "--certificate", CERTIFICATE)
        assert made.stop(int(service["stop_grace_period"].removesuffix("s"))) == 0

    started = f"the image, built and run by podman {version} with compose's options, and nginx"
    report("docker", started, verdict)


def test_any_user_of_group_0_can_run_the_image(host: Machine, engine: Engine) -> None:
    options = ("--user=123456:0", "--read-only", "--volume=anybody:/data")
    with container(host, engine, "anybody", *options) as made:
        host.ready(URL, made.log)

        assert made.execute("id", "-u").strip() == "123456"
        assert made.stop(45) == 0


def test_versions_are_swapped_under_load_in_the_container_of_the_pod(
    host: Machine, engine: Engine, report: Report
) -> None:
    options = pod_options(POD["spec"], {"admin-token": SECRET})
    assert POD["spec"]["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    options.append(f"--security-opt=seccomp={filter_without_namespaces(engine)}")
    (spec,) = POD["spec"]["containers"]
    with container(host, engine, "pod", *options) as made:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            path = spec[probe]["httpGet"]["path"]
            host.wait(lambda path=path: host.status(URL + path) == "200", made.log)

        verdict = host.load(URL, SECRET)
        log = made.log()
        made.execute(*spec["lifecycle"]["preStop"]["exec"]["command"])
        assert made.stop(POD["spec"]["terminationGracePeriodSeconds"] - 5) == 0

    # The main process and every worker say so.
    lacking = set(re.findall(r"lack a defence: ([^:]+):", log))
    assert lacking == {"no network namespace and no private file system"}
    report("kubernetes", "the pod's container, by podman; no cluster can run here", verdict)
