from collections.abc import Iterator

import pytest

from hotswap import Registry
from hotswap.files import tables, text
from hotswap.retries import NEVER
from tests.integration.cli.fake_service import HSW, FakeService, running
from tests.integration.client.doubler import Doubler


@pytest.fixture
def service() -> Iterator[FakeService]:
    with running() as service:
        yield service


@pytest.fixture
def registry(service: FakeService) -> Iterator[Registry]:
    with Registry(service.url, HSW, timeout=5, retries=NEVER) as registry:
        yield registry


@pytest.fixture
def doubler() -> Iterator[Doubler]:
    with running(Doubler) as service:
        assert isinstance(service, Doubler)
        yield service


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of about a hundred rows instead of many thousands."""
    monkeypatch.setattr(text, "BLOCK", 2_600)
    monkeypatch.setattr(tables, "CHUNK_ROWS", 100)
    monkeypatch.setattr(tables, "SPAN_ROWS", 230)
