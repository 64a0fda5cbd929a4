"""Databases of hosts that share a bucket."""

from collections.abc import Iterator

import pytest

from registry.storage.database import Database
from tests.factories import add_token
from tests.integration.registry.upload_houses import OWNER
from tests.postgresql import PostgreSql


@pytest.fixture
def shared_database(postgresql: PostgreSql) -> Iterator[Database]:
    """With the tokens up to ``OWNER``."""
    url = postgresql.create(migrated=True)
    database = Database(url)
    for number in range(OWNER + 1):
        assert add_token(database, f"hsw_{number}") == number + 1
    yield database
    database.dispose()
    postgresql.drop(url)
