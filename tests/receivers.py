"""A receiver of webhooks that answers as a test wants, and remembers who connected."""

import socket
import threading
from contextlib import contextmanager, suppress
from typing import NamedTuple

OK = b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"


def status(code, *headers, body=b""):
    """An answer with this status."""
    head = [f"HTTP/1.1 {code} X", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Message(NamedTuple):
    """A request as it arrived."""

    line: str
    headers: dict
    body: bytes


class Receiver:
    """Listens on ``host`` at a free port, or at ``port``.

    ``answer`` takes a Message and returns the bytes of the answer, or yields them. With ``context``
    it speaks TLS.
    """

    def __init__(self, answer=lambda message: OK, *, host="127.0.0.1", port=0, context=None):
        self.messages = []
        self.connections = 0
        self.answer = answer
        self._context = context
        self._family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server(
            (host, port), family=self._family, dualstack_ipv6=host == "::"
        )
        self.host, self.port = self._socket.getsockname()[:2]
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def address(self):
        """As a lookup of a name returns it."""
        return self._family, (self.host, self.port)

    def url(self, path="/hook", scheme="http"):
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}://{host}:{self.port}{path}"

    def wait_for(self, count, seconds=20):
        """The messages, as soon as there are ``count``."""
        with self._arrived:
            arrived = self._arrived.wait_for(lambda: len(self.messages) >= count, seconds)
            assert arrived, f"{len(self.messages)} of {count} messages arrived"
            return list(self.messages)

    def close(self):
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._socket.close()
        self._thread.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        # A client that closes early, or refuses the certificate, is what some tests are about.
        with suppress(OSError), _closing(connection, self._context) as stream:
            stream.settimeout(20)
            message = _read(stream)
            if message is None:
                return
            with self._arrived:
                self.messages.append(message)
                self._arrived.notify_all()
            answer = self.answer(message)
            for part in [answer] if isinstance(answer, bytes) else answer:
                stream.sendall(part)


@contextmanager
def _closing(connection, context):
    with connection:
        if context is None:
            yield connection
            return
        with context.wrap_socket(connection, server_side=True) as secured:
            yield secured


def _read(stream):
    received = b""
    while b"\r\n\r\n" not in received:
        part = stream.recv(65536)
        if not part:
            return None
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").split("\r\n")
    headers = {}
    for field in fields:
        name, _, value = field.partition(": ")
        assert name.lower() not in headers, f"{name} was sent twice"
        headers[name.lower()] = value
    while len(body) < int(headers.get("content-length", 0)):
        body += stream.recv(65536)
    return Message(line, headers, body)
