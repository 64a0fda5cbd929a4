"""Reads a reply that comes before the whole request is sent.

A service that refuses an upload by its length answers and stops reading. A client that goes on
writing then meets a reset connection, and with it often loses the very reply that says why.
"""

import selectors
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool


class _ListeningConnection(HTTPConnection):
    """Stops sending as soon as the service has begun to answer.

    Only for plain HTTP: over TLS a readable socket may hold no more than a session ticket. There
    it is left to the server, or the proxy that ends TLS, to linger on closing.
    """

    def send(self, data: Any) -> None:
        """Send ``data`` whole.

        Raises BrokenPipeError where the other side has answered or gone (urllib3 takes that as
        the sign to stop sending and read the answer) and TimeoutError.
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
                    raise BrokenPipeError("The service answered before it had the whole request.")
                rest = rest[self.sock.send(rest) :]


class _ListeningPool(HTTPConnectionPool):
    ConnectionCls = _ListeningConnection


class EarlyReplyAdapter(HTTPAdapter):
    """A requests adapter for ``http://`` whose uploads notice an early answer.

    A connection that was answered early must not be used again: half a request is on it. Give the
    adapter a session of its own for each upload.
    """

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {
            **self.poolmanager.pool_classes_by_scheme,
            "http": _ListeningPool,
        }
