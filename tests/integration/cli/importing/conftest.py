"""The registry that is imported into, and the command that does it."""

from collections.abc import Iterator

import pytest

from tests.integration.cli.conftest import Hotswap, command
from tests.integration.cli.fake_service import running
from tests.integration.cli.importing.importing_registry import ImportingRegistry


@pytest.fixture
def registry() -> Iterator[ImportingRegistry]:
    with running(ImportingRegistry) as registry:
        yield registry


@pytest.fixture
def hotswap(registry: ImportingRegistry) -> Hotswap:
    """Runs the command against ``registry``."""
    return command(registry)
