"""A PostgreSQL and a bucket that several machines reach, each by its own cable."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.deploy.machine import Cable
from tests.hosts.hosts import through, to_postgresql
from tests.hosts.proxies import Proxy
from tests.postgresql import running_postgresql
from tests.seaweedfs import SeaweedFs, running_seaweedfs
from tests.system.real_server import ADMIN_TOKEN


@dataclass(frozen=True)
class Stores:
    """A database without tables, and a folder of a bucket."""

    database: str
    bucket: SeaweedFs
    folder: str
    ends: ExitStack

    def settings(self, cable: Cable) -> dict[str, str]:
        """The settings of a service that reaches both by ``cable``."""
        port = urlsplit(self.bucket.endpoint).port
        to_database = Proxy(lambda: to_postgresql(self.database), address=cable.outside)
        to_bucket = Proxy(
            lambda: socket.create_connection(("127.0.0.1", port)), address=cable.outside
        )
        for wire in (to_database, to_bucket):
            self.ends.callback(wire.close)
        return {
            **self.bucket.environment,
            "HOTSWAP_DATABASE_URL": through(to_database, self.database),
            "HOTSWAP_BLOBS_URL": self.folder,
            "HOTSWAP_BLOBS_ENDPOINT": f"http://{cable.outside}:{to_bucket.port}",
            "HOTSWAP_ADMIN_TOKEN": ADMIN_TOKEN,
        }


@contextmanager
def stores() -> Iterator[Stores]:
    """A PostgreSQL and a bucket until the block ends."""
    with ExitStack() as ends:
        database = ends.enter_context(running_postgresql()).create(migrated=False)
        bucket = ends.enter_context(running_seaweedfs())
        yield Stores(database, bucket, bucket.url(), ends)
