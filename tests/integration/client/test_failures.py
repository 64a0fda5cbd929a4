"""Every failure of the service or the network, as the caller sees it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotswap import ProblemReply, Registry, ReplyNotUnderstood, ServiceUnreachable, errors
from hotswap.errors import AddressMalformed, FieldFault
from hotswap.multipart import ArtifactChanged, UploadBody
from hotswap.retries import NEVER
from tests.integration.cli.fake_service import HSW, Answer, FakeService, problem

Serve = Callable[[socket.socket], None]


@contextmanager
def raw_server(serve: Serve) -> Iterator[str]:
    """A server that does with its one connection what ``serve`` says."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            connection, _ = listener.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


def wait(release: threading.Event) -> None:
    release.wait(5)


def too_large() -> bytes:
    body = b'{"type":"/problems/too-large","title":"Too large","status":413,"detail":"Too large."}'
    head = (
        "HTTP/1.1 413 Content Too Large\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def test_a_problem_is_raised_with_all_its_members(registry: Registry, service: FakeService) -> None:
    faults = [{"at": "instances[3].rooms", "message": "must be a number"}]
    service.script("POST", "/models/m/predict", problem(422, "input-refused", "No.", errors=faults))
    with pytest.raises(errors.Refused) as caught:
        registry.predict("m", {"rooms": "x"})
    assert caught.value.slug == "input-refused"
    assert caught.value.status == 422
    assert caught.value.request_id == "req-1"
    assert caught.value.errors == (FieldFault("instances[3].rooms", "must be a number"),)
    assert caught.value.__notes__ == ["instances[3].rooms: must be a number"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthenticated),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (413, errors.TooLarge),
        (415, errors.UnsupportedFormat),
        (429, errors.TooManyRequests),
        (503, errors.Unavailable),
        (507, errors.StorageFull),
        (500, ProblemReply),
    ],
)
def test_each_status_has_its_class_of_error(
    registry: Registry, service: FakeService, status: int, kind: type[ProblemReply]
) -> None:
    service.script("GET", "/models/m", problem(status, "some-problem", "No."))
    with pytest.raises(ProblemReply) as caught:
        registry.model("m")
    assert type(caught.value) is kind


def test_retry_after_is_available_on_the_error(registry: Registry, service: FakeService) -> None:
    busy = problem(503, "database-busy", "Busy.")
    service.script("GET", "/models/m", Answer(503, busy.content, {"Retry-After": "7"}))
    with pytest.raises(errors.Unavailable) as caught:
        registry.model("m")
    assert caught.value.retry_after == 7


def test_an_html_page_of_another_server_is_not_understood(
    registry: Registry, service: FakeService
) -> None:
    page = Answer(200, b"<html>Welcome to nginx!</html>", {"Content-Type": "text/html"})
    service.script("GET", "/models/m", page)
    with pytest.raises(ReplyNotUnderstood, match=r"no JSON, but text/html.*Welcome to nginx"):
        registry.model("m")


def test_a_json_error_that_is_not_a_problem_is_not_understood(
    registry: Registry, service: FakeService
) -> None:
    service.script("GET", "/models/m", Answer(404, {"message": "no Route matched"}))
    with pytest.raises(ReplyNotUnderstood, match=r"no problem document.*no Route matched"):
        registry.model("m")


def test_json_of_another_service_is_not_a_list(registry: Registry, service: FakeService) -> None:
    service.script("GET", "/models", Answer(200, ["gpt"]))
    with pytest.raises(ReplyNotUnderstood, match="no JSON object"):
        list(registry.models())


@pytest.mark.parametrize("content", [None, [1], {}, {"model": "m"}])
def test_json_without_the_expected_keys_is_not_understood(
    registry: Registry, service: FakeService, content: object
) -> None:
    for method, path in [
        ("GET", "/models/m/1"),
        ("POST", "/models/m/versions"),
        ("POST", "/models/m/1/promote"),
        ("POST", "/models/m/predict"),
    ]:
        service.script(method, path, Answer(200, content))
    with pytest.raises(ReplyNotUnderstood):
        registry.version("m", 1)
    with pytest.raises(ReplyNotUnderstood):
        registry.upload("m", b"bytes")
    with pytest.raises(ReplyNotUnderstood):
        registry.promote("m", 1)
    with pytest.raises(ReplyNotUnderstood):
        registry.predict("m", {"a": 1})


def test_an_invalid_idempotency_key_is_refused_before_a_request(
    registry: Registry, service: FakeService
) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        registry.promote("m", 1, idempotency_key="a\r\nX-Evil: 1")
    assert service.requests == []


def test_redirects_are_reported_and_not_followed(registry: Registry, service: FakeService) -> None:
    moved = Answer(301, None, {"Location": "https://other.example/models/m"})
    service.script("GET", "/models/m", moved)
    with pytest.raises(ReplyNotUnderstood, match=r"https://other\.example/models/m"):
        registry.model("m")


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_gateway_error_means_unreachable(
    registry: Registry, service: FakeService, status: int
) -> None:
    service.script("GET", "/models/m", Answer(status, b"<html>Bad gateway</html>"))
    with pytest.raises(ServiceUnreachable, match=str(status)):
        registry.model("m")


def test_a_refused_connection_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with (
        Registry(f"http://127.0.0.1:{port}", retries=NEVER) as registry,
        pytest.raises(ServiceUnreachable, match="refused") as caught,
    ):
        registry.check()
    assert not caught.value.may_have_happened


def test_an_unknown_host_is_unreachable() -> None:
    with (
        Registry("http://no-such-host.invalid", retries=NEVER) as registry,
        pytest.raises(ServiceUnreachable, match="host name cannot be resolved"),
    ):
        registry.check()


def test_a_timed_out_request_may_have_been_carried_out() -> None:
    release = threading.Event()
    with raw_server(lambda _: wait(release)) as url:
        with (
            Registry(url, timeout=0.2, retries=NEVER) as registry,
            pytest.raises(ServiceUnreachable, match="response timed out") as caught,
        ):
            registry.check()
        release.set()
    assert caught.value.may_have_happened


def test_an_incomplete_response_is_unreachable() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")

    with (
        raw_server(serve) as url,
        Registry(url, retries=NEVER) as registry,
        pytest.raises(ServiceUnreachable, match="connection broke"),
    ):
        registry.check()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "ftp://host",
        "http://",
        "http://[::1",
        "http://h:99999",
        "http://h?a=b",
    ],
)
def test_an_invalid_url_is_refused_before_a_request(url: str) -> None:
    with pytest.raises(AddressMalformed):
        Registry(url)


def test_a_password_in_the_url_is_not_repeated() -> None:
    with pytest.raises(AddressMalformed) as caught:
        Registry("http://me:secret@host")
    assert "secret" not in str(caught.value)


def test_a_token_with_a_line_break_is_refused() -> None:
    with pytest.raises(AddressMalformed, match="token"):
        Registry("http://host", "hsw_a\r\nX-Evil: 1")


def test_a_netrc_file_does_not_replace_the_token(
    service: FakeService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with Registry(service.url, HSW, retries=NEVER) as registry:
        registry.check()
    assert service.requests[0].headers["Authorization"] == f"Bearer {HSW}"


def test_an_early_413_is_raised_even_if_the_service_stops_reading(tmp_path: Path) -> None:
    refused = threading.Event()
    in_time = []

    def serve(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(too_large())
        # The connection stays open and unread, so that who goes on sending comes to a stop.
        in_time.append(refused.wait(10))

    file = tmp_path / "big.skops"
    with file.open("wb") as sparse:
        sparse.truncate(64 * 2**20)
    with raw_server(serve) as url:
        with (
            Registry(url, retries=NEVER) as registry,
            pytest.raises(errors.TooLarge, match="Too large"),
        ):
            registry.upload("m", file)
        refused.set()
    assert in_time == [True]


def test_an_early_413_is_raised_even_if_the_service_closes_the_connection(tmp_path: Path) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1024)
        connection.sendall(too_large())

    file = tmp_path / "big.skops"
    with file.open("wb") as sparse:
        sparse.truncate(64 * 2**20)
    with (
        raw_server(serve) as url,
        Registry(url, retries=NEVER) as registry,
        pytest.raises(errors.TooLarge, match="Too large"),
    ):
        registry.upload("m", file)


def test_a_file_that_shrinks_during_the_upload_is_reported(
    service: FakeService, registry: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "model.skops"
    file.write_bytes(b"x" * 100)
    with UploadBody(file, {}) as body:
        file.write_bytes(b"x")
        with pytest.raises(ArtifactChanged, match=r"model\.skops became shorter"):
            b"".join(body)


def test_a_missing_file_raises_an_os_error(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        registry.upload("m", tmp_path / "none.skops")
