from collections.abc import Iterator

import pytest

from client import Registry
from tests.unit.cli.fake_service import HSW, FakeService, running


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running() as service:
        yield service


@pytest.fixture
def registry(service: FakeService) -> Iterator[Registry]:
    with Registry(service.url, HSW, timeout=5) as registry:
        yield registry
