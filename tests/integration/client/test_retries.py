"""Which requests the client retries, and when."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from hotswap import ClientError, ProblemReply, Registry, Retries, ServiceUnreachable, errors
from hotswap.retries import may_pass
from tests.integration.cli.fake_service import HSW, Answer, FakeService, problem

BUSY = problem(503, "database-busy", "The database is locked by another writer.")


class Waits:
    """Replaces sleeping, and records the waits."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float, _: ClientError) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def registry(service: FakeService, waits: Waits) -> Iterator[Registry]:
    """A client that tries four times, and draws the longest of its waits."""
    retries = Retries(attempts=4, pause=waits, jitter=lambda: 1.0)
    with Registry(service.url, HSW, timeout=5, retries=retries) as registry:
        yield registry


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_temporary_failures_are_retried_until_they_pass(
    registry: Registry, service: FakeService, waits: Waits, status: int
) -> None:
    service.add_version("m")
    service.script_next("GET", "/models/m", problem(status, "busy", "Not now."), times=3)
    assert registry.model("m")["name"] == "m"
    assert len(service.requests) == 4
    assert waits.seconds == [0.5, 1.0, 2.0]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500, 507])
def test_permanent_failures_are_not_retried(
    registry: Registry, service: FakeService, status: int
) -> None:
    service.script("GET", "/models/m", problem(status, "no", "No."))
    with pytest.raises(ProblemReply):
        registry.model("m")
    assert len(service.requests) == 1


def test_the_last_error_is_raised_when_the_attempts_are_used_up(
    registry: Registry, service: FakeService
) -> None:
    service.script("GET", "/models/m", BUSY)
    with pytest.raises(errors.Unavailable, match="another writer"):
        registry.model("m")
    assert len(service.requests) == 4


def test_retry_after_is_added_to_the_backoff(
    registry: Registry, service: FakeService, waits: Waits
) -> None:
    service.add_version("m")
    asks = Answer(503, BUSY.content, {"Retry-After": "7"})
    service.script_next("GET", "/models/m", asks, times=2)
    registry.model("m")
    assert waits.seconds == [7.5, 8.0]


def test_retry_after_may_be_a_date(registry: Registry, service: FakeService, waits: Waits) -> None:
    service.add_version("m")
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    service.script_next("GET", "/models/m", Answer(503, BUSY.content, {"Retry-After": date}))
    registry.model("m")
    (waited,) = waits.seconds
    assert 15 < waited <= 20.5


def test_retry_after_of_a_proxy_is_respected(
    registry: Registry, service: FakeService, waits: Waits
) -> None:
    service.add_version("m")
    for status in (429, 503):
        page = Answer(status, b"<html>Slow down</html>", {"Retry-After": "3"})
        service.script_next("GET", "/models/m", page)
        registry.model("m")
    assert waits.seconds == [3.5, 3.5]


def test_a_retry_after_above_the_longest_wait_ends_the_attempts(
    registry: Registry, service: FakeService, waits: Waits
) -> None:
    service.script("GET", "/models/m", Answer(429, BUSY.content, {"Retry-After": "3600"}))
    with pytest.raises(errors.TooManyRequests) as caught:
        registry.model("m")
    assert caught.value.retry_after == 3600
    assert waits.seconds == []


def test_waits_are_random_and_grow_up_to_a_limit() -> None:
    drawn = iter([0.0, 0.5, 1.0, 1.0])
    retries = Retries(attempts=9, first_wait=1, longest_wait=3, jitter=lambda: next(drawn))
    busy = ServiceUnreachable("http://h", "refused")
    assert [retries.wait_after([busy] * count) for count in range(1, 5)] == [0.0, 1.0, 3.0, 3.0]


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_wait": -1.0}, {"longest_wait": -1.0}])
def test_invalid_retries_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least one attempt"):
        Retries(**wrong)  # type: ignore[arg-type]


def test_uploads_promotions_and_rollbacks_are_retried_with_one_key(
    registry: Registry, service: FakeService
) -> None:
    service.add_version("m")
    for path in ("/models/m/versions", "/models/m/1/promote", "/models/m/rollback"):
        service.script_next("POST", path, BUSY)
    registry.upload("m", b"bytes")
    registry.promote("m", 1)
    registry.rollback("m")
    keys = [received.headers["Idempotency-Key"] for received in service.requests]
    assert keys[0::2] == keys[1::2]
    assert len(set(keys)) == 3
    bodies = [received.body.split(b"\r\n\r\n")[-1] for received in service.requests]
    assert b"bytes" in bodies[0]
    assert b"bytes" in bodies[1]


def test_a_given_idempotency_key_is_used(registry: Registry, service: FakeService) -> None:
    service.add_version("m")
    service.script_next("POST", "/models/m/1/promote", BUSY)
    registry.promote("m", 1, idempotency_key="mine")
    assert [received.headers["Idempotency-Key"] for received in service.requests] == [
        "mine",
        "mine",
    ]


def test_predictions_and_evaluations_are_retried_without_a_key(
    registry: Registry, service: FakeService
) -> None:
    service.add_version("m")
    service.script_next("POST", "/models/m/1/predict", BUSY)
    service.script_next("POST", "/models/m/1/evaluate", BUSY)
    registry.predict("m", {"rooms": 1}, version=1)
    registry.evaluate("m", 1)
    assert len(service.requests) == 4
    assert not any("Idempotency-Key" in received.headers for received in service.requests)


def test_creating_a_token_is_never_retried(registry: Registry, service: FakeService) -> None:
    service.script("POST", "/tokens", BUSY)
    with pytest.raises(errors.Unavailable):
        registry.create_token("ci", ["upload"])
    service.script("DELETE", "/tokens/7", BUSY)
    with pytest.raises(errors.Unavailable):
        registry.revoke_token(7)
    assert len(service.requests) == 2


@contextmanager
def dropping(connections: int, then: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that closes its first connections after their requests."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for number in range(connections + 1):
                connection, _ = listener.accept()
                with connection:
                    heard.append(connection.recv(65536))
                    if number == connections:
                        connection.sendall(then)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", heard
        thread.join(5)


def test_a_broken_connection_is_reopened(waits: Waits) -> None:
    body = b'{"items": [], "total": 0}'
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    retries = Retries(attempts=4, pause=waits)
    with dropping(2, ok) as (url, heard), Registry(url, retries=retries) as registry:
        registry.check()
    assert len(heard) == 3
    assert len(waits.seconds) == 2


def test_a_service_that_never_listens_is_unreachable_after_all_attempts(waits: Waits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with (
        Registry(url, retries=Retries(attempts=3, pause=waits)) as registry,
        pytest.raises(ServiceUnreachable, match="refused"),
    ):
        registry.check()
    assert len(waits.seconds) == 2


def test_a_request_that_times_out_is_retried_once(waits: Waits) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with (
            Registry(url, timeout=0.1, retries=Retries(attempts=9, pause=waits)) as registry,
            pytest.raises(ServiceUnreachable, match="response timed out"),
        ):
            registry.check()
    assert len(waits.seconds) == 1


def test_an_untrusted_certificate_is_not_retried() -> None:
    assert not may_pass(ServiceUnreachable("https://h", "no trusted TLS", transient=False))


def test_wait_until_ready_returns_when_the_service_has_started(service: FakeService) -> None:
    service.script("GET", "/readyz", Answer(200, {"ready": True}))
    service.script_next("GET", "/readyz", problem(503, "not-ready", "Not yet."), times=2)
    with Registry(service.url) as registry:
        registry.wait_ready(10)
    assert len(service.requests) == 3


def test_wait_until_ready_gives_up_after_its_time_limit(service: FakeService) -> None:
    service.script("GET", "/readyz", problem(503, "not-ready", "Not yet."))
    with Registry(service.url) as registry, pytest.raises(errors.Unavailable, match="Not yet"):
        registry.wait_ready(0.3)
    assert len(service.requests) >= 2
