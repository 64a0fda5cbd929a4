"""The files of ``deploy/`` fit the settings of the service and their own formats.

What starts them is in the other files of this folder.
"""

import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from cli.server import GRACE_SECONDS, STOP_SECONDS
from config import ClientSettings, Settings
from tests.deploy.machine import DEPLOY, HOST
from tests.system.real_server import BIN

NGINX = (DEPLOY / "nginx" / "hotswap.conf").read_text()
MANIFESTS = {
    str(path.relative_to(DEPLOY / "kubernetes").with_suffix("")): yaml.safe_load(path.read_text())
    for path in (DEPLOY / "kubernetes").rglob("*.yaml")
}
PODS = {
    name: manifest["spec"]["template"]
    for name, manifest in MANIFESTS.items()
    if manifest["kind"] == "Deployment"
}
COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
MANY_HOSTS = yaml.safe_load((DEPLOY / "docker" / "many-hosts.yaml").read_text())
FILES = [path for path in DEPLOY.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
SECRET = r"(?:secretKeyRef': {'name'|secretName'): '([\w-]+)'"
FORM_MEGABYTES = 4
"""Metadata in the form of an upload (docs/access-and-limits.md)."""


def settings_of(kind: type) -> set[str]:
    return {name for setting in fields(kind) for name in setting.metadata["variables"]}


def test_every_setting_that_a_file_names_exists() -> None:
    known = settings_of(Settings) | settings_of(ClientSettings)
    named = {name for path in FILES for name in re.findall(r"\bHOTSWAP_\w+", path.read_text())}

    assert named - known == set()
    assert "HOTSWAP_TRUSTED_PROXIES" in named


@pytest.mark.parametrize(
    ("path", "megabytes"),
    [
        ("/models/iris/predict", Settings().max_predict_mb),
        ("/models/iris/production/predict", Settings().max_predict_mb),
        ("/models/iris/versions", Settings().max_upload_mb + FORM_MEGABYTES),
        ("/models/iris/holdout", Settings().max_upload_mb),
    ],
)
def test_nginx_passes_on_every_body_that_the_service_accepts(path: str, megabytes: int) -> None:
    places = re.findall(r"location ~ (\S+) \{(.*?)\n    \}", NGINX, re.DOTALL)
    (block,) = [block for pattern, block in places if re.search(pattern, path)]
    limit = re.search(r"client_max_body_size (\d+)m", block)

    assert limit is not None
    assert megabytes <= int(limit[1]) <= megabytes + 8


@pytest.mark.parametrize(
    ("file", "limit"),
    [
        ("supervisor/hotswap.conf", r"stopwaitsecs=(\d+)"),
        ("systemd/hotswap.service", r"TimeoutStopSec=(\d+)"),
        ("docker/compose.yaml", r"stop_grace_period: (\d+)s"),
        ("docker/many-hosts.yaml", r"stop_grace_period: (\d+)s\n  restart"),
        ("docker/README.md", r"--stop-timeout (\d+) hotswap"),
    ],
)
def test_no_deployment_kills_a_service_that_is_draining(file: str, limit: str) -> None:
    (seconds,) = re.findall(limit, (DEPLOY / file).read_text())

    assert int(seconds) >= STOP_SECONDS


@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_not_killed_while_it_still_drains_after_the_hook_before_it(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["spec"]["containers"]
    command, hook = container["lifecycle"]["preStop"]["exec"]["command"]

    assert command == "sleep"
    assert pod["spec"]["terminationGracePeriodSeconds"] >= int(hook) + STOP_SECONDS


def test_gunicorn_gives_requests_as_long_as_the_service_does() -> None:
    config = (DEPLOY / "gunicorn" / "gunicorn.conf.py").read_text()

    assert f"graceful_timeout = {GRACE_SECONDS}\n" in config


def test_each_file_that_names_the_time_of_a_stop_names_the_longest() -> None:
    limit = r"needs up to (\d+) s|up to (\d+) s for the drain"
    named = [found for path in FILES for found in re.findall(limit, path.read_text())]

    assert {"".join(seconds) for seconds in named} == {str(STOP_SECONDS)}


def test_the_dockerfile_passes_hadolint() -> None:
    checked = subprocess.run(
        [BIN / "hadolint", DEPLOY / "docker" / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (checked.returncode, checked.stdout) == (0, "")


def test_hadolint_finds_a_fault(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /tmp\n")
    checked = subprocess.run(
        [BIN / "hadolint", tmp_path / "Dockerfile"], capture_output=True, text=True, check=False
    )

    assert checked.returncode == 1
    assert {"DL3006", "DL3003"} <= set(re.findall(r"DL\d+", checked.stdout))


@pytest.mark.parametrize("version", ["1.30", "1.34", "1.37"])
@pytest.mark.parametrize("name", MANIFESTS)
def test_each_manifest_fits_the_schemas_of_kubernetes(name: str, version: str) -> None:
    kubernetes_validate.validate(MANIFESTS[name], version, strict=True)


def test_a_manifest_with_a_misspelt_field_does_not() -> None:
    service = {**MANIFESTS["service"], "spec": {"selektor": {}}}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, "1.34", strict=True)


@pytest.mark.parametrize("folder", ["", "many-hosts/"])
def test_references_between_manifests_resolve(folder: str) -> None:
    pod = PODS[f"{folder}deployment"]
    budget = MANIFESTS[f"{folder}poddisruptionbudget"]
    labels = pod["metadata"]["labels"]
    (container,) = pod["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    (rule,) = MANIFESTS["ingress"]["spec"]["rules"]
    backend: dict[str, Any] = rule["http"]["paths"][0]["backend"]["service"]
    (service_port,) = MANIFESTS["service"]["spec"]["ports"]

    assert MANIFESTS[f"{folder}deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert budget["spec"]["selector"]["matchLabels"] == labels
    assert MANIFESTS["service"]["spec"]["selector"] == labels
    assert backend["name"] == MANIFESTS["service"]["metadata"]["name"]
    assert backend["port"]["name"] == service_port["name"]
    assert ports[service_port["targetPort"]] == Settings().port
    volumes = pod["spec"]["volumes"]
    claimed = [v["persistentVolumeClaim"] for v in volumes if "persistentVolumeClaim" in v]
    claim = {"claimName": MANIFESTS["persistentvolumeclaim"]["metadata"]["name"]}
    assert claimed == ([] if folder else [claim])
    assert rule["host"] == HOST
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert [probe["path"] for probe in probes] == ["/livez", "/livez", "/readyz"]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_mounts_each_of_its_volumes(name: str) -> None:
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    mounted = [mount["name"] for mount in container["volumeMounts"]]

    assert sorted(mounted) == sorted(volume["name"] for volume in spec["volumes"])


@pytest.mark.parametrize("name", PODS)
def test_a_pod_sets_only_variables_that_something_reads(name: str) -> None:
    (container,) = PODS[name]["spec"]["containers"]
    set_here = {variable["name"] for variable in container["env"]}

    assert set_here <= settings_of(Settings) | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_no_image_is_named_without_its_version() -> None:
    built = COMPOSE["services"]["hotswap"]["image"]
    files = (COMPOSE, MANY_HOSTS)
    named = [service["image"] for file in files for service in file["services"].values()]
    named += [pod["spec"]["containers"][0]["image"] for pod in PODS.values()]
    versions = {image: image.partition(":")[2] for image in named if image != built}

    assert len(versions) == 4
    assert all(re.fullmatch(r"\d+(\.\d+)*", version) for version in versions.values()), versions


def test_the_script_of_heroku_is_valid_shell() -> None:
    script = DEPLOY / "heroku" / "post_compile"

    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert script.stat().st_mode & 0o111


def test_the_page_of_kubernetes_creates_every_secret_that_the_pods_read() -> None:
    page = (DEPLOY / "kubernetes" / "README.md").read_text()
    created = [set(re.findall(r"--from-literal=([\w-]+)", part)) for part in page.split("\n## ")]

    names = {name for pod in PODS.values() for name in re.findall(SECRET, str(pod))}
    assert set(re.findall(r"create secret generic (\S+)", page)) == names
    assert [secrets_of(pod) for pod in (PODS["deployment"], PODS["many-hosts/deployment"])] == [
        keys for keys in created if keys
    ]


def secrets_of(pod: dict[str, Any]) -> set[str]:
    """The keys of the secret that a pod reads."""
    (container,) = pod["spec"]["containers"]
    sources = [variable.get("valueFrom", {}) for variable in container["env"]]
    keys = {source["secretKeyRef"]["key"] for source in sources if "secretKeyRef" in source}
    files = [volume["secret"]["items"] for volume in pod["spec"]["volumes"] if "secret" in volume]
    return keys | {item["key"] for items in files for item in items}


def test_a_rolling_update_ends_no_pod_before_another_one_is_ready() -> None:
    spec = MANIFESTS["many-hosts/deployment"]["spec"]

    assert spec["replicas"] == 3
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert MANIFESTS["many-hosts/poddisruptionbudget"]["spec"]["maxUnavailable"] == 1
