import time

import pytest

_LINES = pytest.StashKey[list]()


def pytest_addoption(parser):
    parser.addoption("--long-faults", action="store_true")


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash.get(_LINES, []):
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def long_faults(request):
    return bool(request.config.getoption("--long-faults", default=False))


@pytest.fixture
def tell(request):
    began = time.monotonic()

    def tell(line):
        request.config.stash.setdefault(_LINES, []).append(
            f"{line}, {time.monotonic() - began:.0f} s"
        )

    return tell
