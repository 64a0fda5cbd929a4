"""Messages are sent to the addresses that were checked, and to no others."""

import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack
from datetime import timedelta
from ipaddress import ip_network

import pytest

from registry.deliveries.addresses import Allowed
from registry.deliveries.sending import MOST_READ, Sender
from registry.deliveries.urls import parse_url
from tests.receivers import OK, Receiver, status

BODY = b'{"type":"promoted"}'
HEADERS = {"webhook-id": "msg_1"}
LOCAL = Allowed(networks=(ip_network("127.0.0.1/32"), ip_network("::1/128")))


class Names:
    """Looks names up in a table, and counts the lookups."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.lookups = 0

    def __call__(self, *_):
        self.lookups += 1
        return self.answers[min(self.lookups, len(self.answers)) - 1]


def send(url, allowed=LOCAL, **kwargs):
    kwargs.setdefault("seconds", 5.0)
    return Sender(allowed, **kwargs).send(parse_url(url), HEADERS, BODY)


def test_a_message_arrives_as_it_was_sent():
    with Receiver() as receiver:
        outcome = send(receiver.url("/a%20b?key=1"))

        (message,) = receiver.wait_for(1)
    assert (outcome.result, outcome.status, outcome.error) == ("delivered", 204, None)
    assert message.line == "POST /a%20b?key=1 HTTP/1.1"
    assert message.body == BODY
    assert message.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "user-agent": "Hotswap-Webhooks/1",
        "content-type": "application/json",
        "content-length": str(len(BODY)),
        "connection": "close",
        "webhook-id": "msg_1",
    }


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (200, "delivered"),
        (299, "delivered"),
        (400, "failed"),
        (404, "failed"),
        (410, "gone"),
        (500, "failed"),
    ],
)
def test_the_status_decides(code, result):
    with Receiver(lambda _: status(code)) as receiver:
        outcome = send(receiver.url())

    assert (outcome.result, outcome.status) == (result, code)


def test_the_delay_that_the_receiver_asks_for_is_reported():
    with Receiver(lambda _: status(503, "Retry-After: 90")) as receiver:
        outcome = send(receiver.url())

    assert (outcome.result, outcome.retry_after) == ("failed", timedelta(seconds=90))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(code):
    with (
        Receiver() as other,
        Receiver(lambda _: status(code, f"Location: {other.url()}")) as receiver,
    ):
        outcome = send(receiver.url())

        assert (outcome.result, outcome.status) == ("failed", code)
        assert outcome.error == "redirects are not followed"
        assert (receiver.connections, other.connections) == (1, 0)


def test_a_name_is_looked_up_once_and_connected_to_as_checked():
    with Receiver() as checked, Receiver(host="127.0.0.2", port=checked.port) as other:
        names = Names([checked.address], [other.address])
        url = f"http://changing.example.com:{checked.port}/"

        outcomes = [send(url, lookup=names) for _ in range(2)]

        assert [one.result for one in outcomes] == ["delivered", "refused"]
        assert names.lookups == 2
        assert (checked.connections, other.connections) == (1, 0)
        (message,) = checked.messages
        assert message.headers["host"] == f"changing.example.com:{checked.port}"


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    with Receiver() as proxy, Receiver() as receiver:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)

        assert send(receiver.url()).result == "delivered"
        assert (receiver.connections, proxy.connections) == (1, 0)


def test_the_next_address_is_tried_if_one_accepts_no_connection():
    with Receiver() as receiver, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        names = Names([(socket.AF_INET, closed.getsockname()), receiver.address])

        assert send("http://two.example.com/", lookup=names).result == "delivered"


@pytest.fixture
def silent_address():
    """Of a listener that has no room for a further connection: an attempt waits for an answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as waiting:
        for _ in range(3):
            connection = waiting.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        time.sleep(0.1)
        yield socket.AF_INET, listener.getsockname()


def test_an_address_that_does_not_answer_leaves_time_for_the_next_one(silent_address):
    with Receiver() as receiver:
        names = Names([silent_address, silent_address, receiver.address])
        outcome = send("http://three.example.com/", lookup=names, seconds=1.5)

    assert (outcome.result, outcome.error) == ("delivered", None)
    assert 0.9 < outcome.seconds < 1.5


def test_addresses_that_do_not_answer_end_at_the_deadline(silent_address):
    outcome = send("http://two.example.com/", lookup=Names([silent_address] * 2), seconds=0.5)

    assert (outcome.result, outcome.error) == ("failed", "no answer in time")
    assert outcome.seconds < 1.5


def test_a_connection_that_is_refused_is_a_failure():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        outcome = send(f"http://127.0.0.1:{closed.getsockname()[1]}/")

    assert outcome.result == "failed"
    assert outcome.error == "the connection failed: Connection refused"


def test_a_name_without_an_address_is_a_failure():
    def unknown(host, port):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    outcome = send("https://unknown.example.com/", lookup=unknown)

    assert outcome.result == "failed"
    assert outcome.error == "the host's name could not be resolved"


def _drip(_):
    yield b"HTTP/1.1 200 OK\r\n"
    for number in range(100):
        time.sleep(0.05)
        yield f"X-{number}: y\r\n".encode()


def _continue(_):
    for _ in range(100):
        time.sleep(0.05)
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


def _silent(_):
    time.sleep(5)
    return b""


@pytest.mark.parametrize("answer", [_drip, _continue, _silent])
def test_a_slow_answer_ends_at_the_deadline(answer):
    with Receiver(answer) as receiver:
        began = time.monotonic()
        outcome = send(receiver.url(), seconds=0.5)

    assert time.monotonic() - began < 2
    assert (outcome.result, outcome.error) == ("failed", "no answer in time")


def test_a_slow_body_ends_at_the_deadline_and_the_status_counts():
    def endless(_):
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        for _ in range(100):
            time.sleep(0.05)
            yield b"x"

    with Receiver(endless) as receiver:
        began = time.monotonic()
        outcome = send(receiver.url(), seconds=0.5)

    assert time.monotonic() - began < 2
    assert outcome.result == "delivered"


def test_a_large_answer_is_not_read_whole():
    sent = []

    def large(_):
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
        while sum(sent) < 10**9:
            yield bytes(2**20)
            sent.append(2**20)

    with Receiver(large) as receiver:
        assert send(receiver.url()).result == "delivered"
        time.sleep(0.2)

    assert sum(sent) < 64 * 2**20 + MOST_READ  # what the buffers of the sockets may hold


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"\x00" * 100,
    ],
)
def test_what_is_not_http_is_a_failure_and_nothing_of_it_is_reported(answer):
    with Receiver(lambda _: answer) as receiver:
        outcome = send(receiver.url())

    assert (outcome.result, outcome.error) == ("failed", "the answer is not HTTP")


def test_a_connection_that_is_closed_without_an_answer_is_a_failure():
    with Receiver(lambda _: b"") as receiver:
        outcome = send(receiver.url())

    assert outcome.error == "the connection was closed without an answer"


def test_nothing_can_be_added_to_the_head_of_a_message():
    with Receiver() as receiver, pytest.raises(ValueError, match="Invalid header value"):
        Sender(LOCAL).send(parse_url(receiver.url()), {"webhook-id": "1\r\nX-Other: 2"}, BODY)

    assert receiver.messages == []


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A context that trusts a certificate for receiver.example.com, and that of the receiver."""
    folder = tmp_path_factory.mktemp("authority")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-days", "2", "-subj", "/CN=receiver", "-keyout", key, "-out", certificate),
            *("-addext", "subjectAltName=DNS:receiver.example.com"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    receiving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    receiving.load_cert_chain(certificate, key)
    return ssl.create_default_context(cafile=str(certificate)), receiving


def test_the_certificate_is_checked_for_the_name_and_not_for_the_address(authority):
    trusting, receiving = authority
    named = []
    receiving.sni_callback = lambda _, name, __: named.append(name)
    with Receiver(context=receiving) as receiver:
        names = Names([receiver.address])
        outcomes = {
            url: send(url, lookup=names, context=trusting)
            for url in ("https://receiver.example.com/", "https://other.example.com/")
        }
        (message,) = receiver.messages

    right, wrong = outcomes.values()
    assert right.result == "delivered"
    assert message.headers["host"] == "receiver.example.com"
    assert named == ["receiver.example.com", "other.example.com"]
    assert wrong.result == "failed"
    assert wrong.error.startswith("the certificate is not valid: Hostname mismatch")


def test_a_certificate_of_an_unknown_authority_is_refused(authority):
    _, receiving = authority
    with Receiver(context=receiving) as receiver:
        outcome = send("https://receiver.example.com/", lookup=Names([receiver.address]))

        assert outcome.error.startswith("the certificate is not valid: self-signed certificate")
        assert receiver.messages == []


def test_a_slow_handshake_ends_at_the_deadline():
    with Receiver(_silent) as receiver:  # it waits for a request and never speaks TLS
        began = time.monotonic()
        outcome = send(
            "https://receiver.example.com/", lookup=Names([receiver.address]), seconds=0.5
        )

    assert time.monotonic() - began < 2
    assert (outcome.result, outcome.error) == ("failed", "no answer in time")


def test_what_does_not_speak_tls_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        names = Names([(socket.AF_INET, listener.getsockname())])

        def answer():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(OK)

        answering = threading.Thread(target=answer)
        answering.start()
        outcome = send("https://receiver.example.com/", lookup=names)
        answering.join(10)

    assert outcome.result == "failed"
    assert outcome.error.startswith("TLS failed: ")
