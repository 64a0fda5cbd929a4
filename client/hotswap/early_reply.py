"""Reads a response that arrives before the whole request is sent.

A service that refuses an upload by its length responds and stops reading. A client that continues
to write then gets a connection reset, and often loses the response with the reason.
"""

import selectors
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _ListeningConnection(HTTPConnection):
    """Stops sending as soon as the service begins to respond.

    Only for plain HTTP: over TLS, a readable socket may hold only a session ticket. There the
    server, or the proxy that terminates TLS, has to delay the close.
    """

    def send(self, data: Any) -> None:
        """Send all of ``data``.

        Raises BrokenPipeError if the other side has responded or closed the connection (urllib3
        then stops sending and reads the response), and TimeoutError.
        """
        if self.sock is None:
            self.connect()
        rest = memoryview(data).cast("B")
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ | selectors.EVENT_WRITE)
            while rest:
                ready = selector.select(self.sock.gettimeout())
                if not ready:
                    raise TimeoutError("timed out while sending")
                if ready[0][1] & selectors.EVENT_READ:
                    raise BrokenPipeError("The service responded before it had the whole request.")
                rest = rest[self.sock.send(rest) :]


class _ListeningPool(HTTPConnectionPool):
    ConnectionCls = _ListeningConnection


class EarlyReplyAdapter(HTTPAdapter):
    """A requests adapter for ``http://`` whose uploads notice an early response.

    A connection with an early response must not be used again, because half a request is on it.
    Use the adapter with a new session for each upload.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            **self.poolmanager.pool_classes_by_scheme,
            "http": _ListeningPool,
        }
