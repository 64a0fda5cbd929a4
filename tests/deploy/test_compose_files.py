"""The compose files fit each other, the image and the proxy."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from config import Settings
from registry.deliveries.key_file import NAME
from tests.deploy.machine import DEPLOY, ROOT

COMPOSE = yaml.safe_load((DEPLOY / "docker" / "compose.yaml").read_text())
MANY_HOSTS = yaml.safe_load((DEPLOY / "docker" / "many-hosts.yaml").read_text())


@pytest.mark.parametrize(
    ("file", "name", "upstream"),
    [(COMPOSE, "hotswap", "upstream.conf"), (MANY_HOSTS, "hotswap-1", "upstream-hosts.conf")],
)
def test_the_image_is_built_from_files_that_exist(
    file: dict[str, Any], name: str, upstream: str
) -> None:
    service = file["services"][name]["build"]
    dockerfile = DEPLOY / "docker" / service["context"] / service["dockerfile"]
    kept = (DEPLOY / "docker" / "Dockerfile.dockerignore").read_text().splitlines()

    assert dockerfile.resolve() == DEPLOY / "docker" / "Dockerfile"
    assert [name for name in kept if name[0] == "!" and not (ROOT / name[1:]).exists()] == []
    mounted = [volume.split(":")[0] for volume in file["services"]["nginx"]["volumes"]]
    found = [(DEPLOY / "docker" / place).resolve() for place in mounted[:2]]
    assert found == [DEPLOY / "nginx" / "hotswap.conf", DEPLOY / "nginx" / upstream]


def test_nginx_passes_requests_to_every_host_of_the_compose_file() -> None:
    upstream = (DEPLOY / "nginx" / "upstream-hosts.conf").read_text()
    hosts = {name for name in MANY_HOSTS["services"] if name.startswith("hotswap")}

    assert set(re.findall(rf"server ([\w-]+):{Settings().port}", upstream)) == hosts
    assert hosts == {MANY_HOSTS["services"][name]["hostname"] for name in hosts}
    assert hosts <= MANY_HOSTS["services"]["nginx"]["depends_on"].keys()


def test_each_host_of_the_compose_file_has_a_data_directory_of_its_own() -> None:
    volumes = [
        service["volumes"]
        for name, service in MANY_HOSTS["services"].items()
        if name.startswith("hotswap")
    ]

    assert len({volume for volume, _ in volumes}) == len(volumes) == 3
    assert {volume.partition(":")[0] for volume, _ in volumes} < MANY_HOSTS["volumes"].keys()


def test_all_hosts_of_the_compose_file_sign_webhooks_with_the_same_key() -> None:
    data = MANY_HOSTS["services"]["hotswap-1"]["environment"]["HOTSWAP_DATA"]
    keys = {
        service["volumes"][1]
        for name, service in MANY_HOSTS["services"].items()
        if "hotswap-" in name
    }

    assert keys == {f"./{NAME}:{data}/{NAME}:ro"}
    assert f"> {NAME}" in (DEPLOY / "docker" / "README.md").read_text()


@pytest.mark.parametrize("file", [COMPOSE, MANY_HOSTS], ids=["compose", "many-hosts"])
def test_references_within_a_compose_file_resolve(file: dict[str, Any]) -> None:
    services = file["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            built = "build" in services[name]  # the Dockerfile has a health check
            assert wanted["condition"] == "service_healthy"
            assert built or "healthcheck" in services[name]
        kind, _, name = service.get("network_mode", "").partition(":")
        assert kind != "service" or name in services

    used = [volume for service in services.values() for volume in service["volumes"]]
    volumes = {volume.partition(":")[0] for volume in used if volume[0] not in "./"}
    assert volumes == file["volumes"].keys()


def test_the_hosts_of_the_compose_file_reach_its_database_and_its_bucket() -> None:
    services = MANY_HOSTS["services"]
    settings = services["hotswap-1"]["environment"]
    bucket, database = services["seaweedfs"], services["postgresql"]["environment"]
    at = urlsplit(settings["HOTSWAP_DATABASE_URL"].replace(":?", ""))

    assert at.hostname == "postgresql"
    assert (at.username, at.password) == (database["POSTGRES_USER"], "${POSTGRES_PASSWORD}")
    assert urlsplit(settings["HOTSWAP_BLOBS_ENDPOINT"]).hostname == "seaweedfs"
    assert f"-bucket={urlsplit(settings['HOTSWAP_BLOBS_URL']).hostname}" in bucket["command"]
    assert settings.items() >= bucket["environment"].items()
    page = (DEPLOY / "docker" / "README.md").read_text()
    text = (DEPLOY / "docker" / "many-hosts.yaml").read_text()
    required = set(re.findall(r"\$\{(\w+):\?\}", text))
    assert {name for name in required if f"`{name}`" in page} == required
