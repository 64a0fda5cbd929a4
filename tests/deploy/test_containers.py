"""deploy/docker and deploy/kubernetes: the image is built, and run with the options of each."""

import json
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import Report
from tests.deploy.containers import (
    Container,
    Engine,
    compose_options,
    container,
    filter_without_namespaces,
    pod_options,
)
from tests.deploy.load import Verdict
from tests.deploy.machine import CERTIFICATE, DEPLOY, HOST, Machine, machine
from tests.deploy.stores import stores
from tests.system.real_server import ADMIN_TOKEN

pytestmark = pytest.mark.slow  # they build an image; make deploy-check runs them

PORT = 8000
URL = f"http://127.0.0.1:{PORT}"
PLACES = ("hotswap-1", "hotswap-2", "hotswap-3", "hotswap-4")
"""Names of addresses, those of upstream-hosts.conf and one more."""
SECRET = "admin-token-of-the-pod-0123456789"
COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
MANY_HOSTS = yaml.safe_load((DEPLOY / "docker" / "many-hosts.yaml").read_text())
POD = yaml.safe_load((DEPLOY / "kubernetes" / "deployment.yaml").read_text())["spec"]["template"]
MANY_PODS = yaml.safe_load((DEPLOY / "kubernetes" / "many-hosts" / "deployment.yaml").read_text())[
    "spec"
]["template"]


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
    with container(host, engine, "compose", *compose_options(service, engine.folder)) as made:
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


@dataclass(frozen=True)
class Hosts:
    """A machine on which several containers serve behind nginx, and their settings."""

    machine: Machine
    engine: Engine
    settings: dict[str, str]

    @contextmanager
    def container(self, name: str, place: str, *options: str) -> Iterator[Container]:
        """Run the host ``name`` at the address of ``place`` until the block ends."""
        address = self.machine.run("getent", "hosts", place).split()[0]
        own = {**self.settings, "HOTSWAP_HOST": address, "HOTSWAP_HOST_NAME": name}
        variables = [f"--env={key}={value}" for key, value in own.items()]
        with container(self.machine, self.engine, name, *options, *variables) as made:
            self.machine.ready(f"http://{place}:{PORT}", made.log)
            yield made

    def load(self, pause: float = 0.05) -> Verdict:
        """What clients got through nginx while versions were swapped; ``pause``: see load.py."""
        options = ("--certificate", CERTIFICATE, "--hosts", "--pause", str(pause))
        return self.machine.load(f"https://{HOST}", ADMIN_TOKEN, *options)

    def names(self) -> set[str]:
        """The hosts that the service knows."""
        return {host["name"] for host in json.loads(self._call("/hosts"))["items"]}

    def create_webhook(self) -> None:
        """Have one of the hosts create a webhook."""
        self._call(
            "/webhooks", "--json", '{"url": "https://receiver.example.com", "events": ["promoted"]}'
        )

    def _call(self, path: str, *options: str) -> str:
        """What one of the hosts answers to the administrator."""
        return self.machine.run(
            *("curl", "--silent", "--fail", "--cacert", CERTIFICATE, *options),
            *("--header", f"Authorization: Bearer {ADMIN_TOKEN}", f"https://{HOST}{path}"),
        )


@pytest.fixture(scope="module")
def hosts(engine: Engine) -> Iterator[Hosts]:
    with stores() as shared, machine(shared=engine.folder) as made:
        for number, name in enumerate(PLACES, start=1):
            made.run("sh", "-c", f"echo 127.0.1.{number} {name} >> /etc/hosts")
        made.make_certificate()
        made.install_nginx("upstream-hosts.conf")
        # One more, since Kubernetes starts a pod before it ends another one.
        more = f"s/^( *)server {PLACES[2]}(.*)/&\\n\\1server {PLACES[3]}\\2/"
        made.run("sed", "--in-place", "--regexp-extended", more, "/etc/nginx/conf.d/upstream.conf")
        made.run("systemctl", "start", "nginx")
        settings = {
            **shared.settings(made.connect(1)),
            "HOTSWAP_ALLOWED_HOSTS": ",".join([HOST, *PLACES]),
        }
        yield Hosts(made, engine, settings)


def test_versions_are_swapped_under_load_in_the_containers_of_three_hosts(
    hosts: Hosts, report: Report
) -> None:
    services = {name: MANY_HOSTS["services"][name] for name in PLACES[:3]}
    key = hosts.engine.folder / "webhooks.key"
    key.write_text("ab" * 32)
    key.chmod(0o644)
    with ExitStack() as running:
        made = {
            name: running.enter_context(
                hosts.container(name, name, *compose_options(service, hosts.engine.folder))
            )
            for name, service in services.items()
        }

        verdict = hosts.load()

        assert hosts.names() == set(PLACES[:3])
        hosts.create_webhook()
        for each in made.values():
            assert "1 webhook receives messages" in each.execute("hotswap", "doctor")
        for name, service in services.items():
            assert made[name].stop(int(service["stop_grace_period"].removesuffix("s"))) == 0
    started = "three containers with compose's options, PostgreSQL, SeaweedFS and nginx"
    report("docker, three hosts", started, verdict)


def test_a_rolling_update_of_three_pods_fails_no_request(hosts: Hosts, report: Report) -> None:
    pod = MANY_PODS["spec"]
    secrets = {
        **dict.fromkeys(("admin-token", "database-url", "s3-key", "s3-secret"), "replaced"),
        "webhooks-key": "ab" * 32,
    }
    options = pod_options(pod, secrets, hosts.engine.folder)
    options.append(f"--security-opt=seccomp={filter_without_namespaces(hosts.engine)}")
    (spec,) = pod["containers"]
    hook = spec["lifecycle"]["preStop"]["exec"]["command"]

    with ExitStack() as running:
        pods = {
            place: running.enter_context(hosts.container(f"old-{place}", place, *options))
            for place in PLACES[:3]
        }

        def update() -> None:
            """Replace each pod by another one, which takes the place that is free."""
            free = PLACES[3]
            for place, old in pods.items():
                running.enter_context(hosts.container(f"new-{free}", free, *options))
                old.execute(*hook)
                assert old.stop(pod["terminationGracePeriodSeconds"] - int(hook[-1])) == 0
                free = place

        with ThreadPoolExecutor(1) as pool:
            updating = pool.submit(update)
            verdict = hosts.load(pause=0.5)
            while not updating.done():
                verdict += hosts.load(pause=0.5)
            updating.result()
        known = hosts.names()

    assert known == {f"new-{place}" for place in (PLACES[3], *PLACES[:2])}, "the others have left"
    started = "three pods' containers, each replaced by another one during the promotions"
    report("kubernetes, rolling update", started, verdict)
