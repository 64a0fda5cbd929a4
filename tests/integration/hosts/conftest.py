"""The database that hosts share is a PostgreSQL."""

import pytest

from registry.hosts.sql_store import SqlHostStore


@pytest.fixture
def backend():
    return "postgresql"


@pytest.fixture
def store(database_url):
    store = SqlHostStore(database_url, 2.0)
    yield store
    store.close()
