from collections.abc import Iterator

import pytest

from hotswap import Registry
from hotswap.retries import NEVER
from tests.integration.cli.fake_service import HSW, FakeService, running


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running() as service:
        yield service


@pytest.fixture
def registry(service: FakeService) -> Iterator[Registry]:
    with Registry(service.url, HSW, timeout=5, retries=NEVER) as registry:
        yield registry
