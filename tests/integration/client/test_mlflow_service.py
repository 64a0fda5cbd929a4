"""What MLflow's plugin sends: addresses, staged files, downloads.

tests/clients/test_mlflow_plugin.py has the plugin itself, where MLflow is installed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotswap import errors, problems
from hotswap.mlflow_plugin.service import ARTIFACTS, Service, address_of
from tests.integration.cli.fake_service import (
    HSW,
    Answer,
    FakeService,
    ReceivedRequest,
    problem,
    running,
)


class ArtifactServer(FakeService):
    """Keeps the files that are put below the route of artifacts."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}

    @property
    def _routes(self) -> dict[str, Any]:
        file = f"{ARTIFACTS}/(.+)"
        return {f"PUT {file}": self._put, f"GET {file}": self._get, f"DELETE {file}": self._delete}

    def _put(self, received: ReceivedRequest, path: str) -> Answer:
        self.files[path] = received.body
        return Answer(200, {})

    def _get(self, _: ReceivedRequest, path: str) -> Answer:
        return Answer(200, self.files[path])

    def _delete(self, _: ReceivedRequest, path: str) -> Answer:
        self.files = {name: held for name, held in self.files.items() if not name.startswith(path)}
        return Answer(200, {})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ArtifactServer]:
    monkeypatch.setenv("HOTSWAP_TOKEN", HSW)
    with running(ArtifactServer) as started:
        assert isinstance(started, ArtifactServer)
        yield started


@pytest.fixture
def service(server: ArtifactServer) -> Service:
    return Service(f"hotswap+{server.url}/")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The directory of a model with a large file, an empty one, and odd names."""
    made = tmp_path / "model"
    (made / "code" / "a b").mkdir(parents=True)
    (made / "MLmodel").write_text("flavors: {}\n")
    (made / "model.skops").write_bytes(bytes(range(256)) * 5_000)
    (made / "code" / "__init__.py").touch()
    (made / "code" / "a b" / "ä#?%41.txt").write_text("text")
    return made


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("hotswap+http://host:8000", "http://host:8000"),
        ("hotswap+https://host/prefix", "https://host/prefix"),
        ("hotswap://host:8000", "http://host:8000"),
        ("hotswap://", "https://from.the.environment"),
        ("hotswap:", "https://from.the.environment"),
    ],
)
def test_a_registry_uri_names_the_address(
    uri: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_URL", "https://from.the.environment")
    assert address_of(uri) == url


@pytest.mark.parametrize("uri", ["http://host", "hotswap+ftp://host", "/a/path"])
def test_another_uri_is_refused(uri: str) -> None:
    with pytest.raises(errors.AddressMalformed, match="expected one such as hotswap\\+http"):
        Service(uri)


def test_files_are_read_from_a_registry_that_the_user_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Artifact URIs also come from tracking servers, which must not get the token."""
    monkeypatch.setenv("HOTSWAP_URL", "https://from.the.environment/")
    uri = "hotswap+http://named.in.this.process:8000"
    with pytest.raises(errors.AddressMalformed, match="The token is not sent to http://named"):
        Service.of_artifacts(uri, "sqlite:///mlflow.db")
    assert Service.of_artifacts("hotswap+http://default", "hotswap://default/").url
    Service(uri)
    assert Service.of_artifacts(f"{uri}/").url == "http://named.in.this.process:8000"
    assert Service.of_artifacts("hotswap+https://from.the.environment").url
    for near in ("hotswap+http://from.the.environment", f"{uri}0", f"{uri}@other"):
        with pytest.raises(errors.AddressMalformed):
            Service.of_artifacts(near)


def test_without_a_token_nothing_is_sent(
    server: ArtifactServer, service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HOTSWAP_TOKEN")
    missing = pytest.raises(errors.TokenMissing, match="set the environment variable HOTSWAP_TOKEN")
    with missing, service.staged(folder):
        pytest.fail("there is no token")
    assert server.requests == []


def test_every_file_of_a_directory_is_staged_until_the_block_ends(
    server: ArtifactServer, service: Service, folder: Path
) -> None:
    with service.staged(folder) as path:
        below = path.removeprefix("/")
        assert below.startswith("uploads/")
        assert server.files == {
            f"{below}/{file.relative_to(folder).as_posix()}": file.read_bytes()
            for file in folder.rglob("*")
            if file.is_file()
        }
        assert len(server.files) == 4
    assert server.files == {}
    with service.staged(folder) as again:
        assert again != path


def test_nothing_stays_of_a_directory_with_a_refused_file(
    server: ArtifactServer, service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = server._put

    def refuse_models(received: ReceivedRequest, path: str) -> Answer:
        if path.endswith(".skops"):
            return problem(413, "too-large", "Too large.")
        return put(received, path)

    monkeypatch.setattr(server, "_put", refuse_models)
    with pytest.raises(errors.TooLarge), service.staged(folder):
        pytest.fail("a file was refused")
    assert server.files == {}


def test_a_failed_deletion_does_not_hide_what_happened(
    server: ArtifactServer, service: Service, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_delete", lambda *_: problem(500, "internal", "It broke."))
    with pytest.raises(KeyError), service.staged(folder):
        raise KeyError
    with service.staged(folder):
        pass


def test_a_file_is_downloaded_by_its_path(
    server: ArtifactServer, service: Service, folder: Path, tmp_path: Path
) -> None:
    with service.staged(folder) as path:
        service.fetch(f"{path.removeprefix('/')}/code/a b/ä#?%41.txt", tmp_path / "text")
    assert (tmp_path / "text").read_text() == "text"


def test_a_call_has_its_arguments_in_the_query_or_the_body(
    server: ArtifactServer, service: Service
) -> None:
    for method in ("GET", "POST"):
        server.script(method, "/call", Answer(200, {"found": method}))
        arguments = {"name": "a", "order_by": ["x", "y"]}
        assert service.call(method, "/call", arguments) == {"found": method}
    get, post = server.requests
    assert (get.query, get.body) == ({"name": ["a"], "order_by": ["x", "y"]}, b"")
    assert (post.query, post.json) == ({}, {"name": "a", "order_by": ["x", "y"]})


def test_what_is_refused_is_raised_with_the_code_of_mlflow(
    server: ArtifactServer, service: Service
) -> None:
    refusal = problem(404, "model-not-found", "No model.", error_code="RESOURCE_DOES_NOT_EXIST")
    server.script("GET", "/call", refusal)
    with pytest.raises(problems.ModelNotFound) as caught:
        service.call("GET", "/call", {})
    assert caught.value.problem["error_code"] == "RESOURCE_DOES_NOT_EXIST"
