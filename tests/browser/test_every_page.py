"""Every page: light and dark, wide and on a phone."""

import hashlib
from collections.abc import Callable

import pytest

from tests.browser.addresses import PAGES, Address
from tests.browser.axe import FOLDER, SOURCE
from tests.browser.conftest import VisitorMaker
from tests.browser.looks import faults_in_all_looks
from tests.browser.visitor import PHONE
from tests.browser.weight import KIB, Scales, painting
from tests.system.real_server import Server

ALL = [address for addresses in PAGES.values() for address in addresses]


@pytest.fixture(scope="module")
def tokens(server: Server) -> dict[tuple[str, ...], str]:
    """A token for each set of scopes that a page is visited with."""
    found = {("admin",): server.token}
    for scopes in {address.scopes for address in ALL} - found.keys() - {()}:
        body = {"name": " ".join(scopes), "scopes": list(scopes)}
        found[scopes] = server.call("POST", "/tokens", json=body).json()["token"]
    return found


@pytest.mark.parametrize("address", ALL, ids=lambda one: one.name)
def test_a_page(
    visit: VisitorMaker,
    tokens: dict[tuple[str, ...], str],
    address: Address,
    record_property: Callable[[str, object], None],
) -> None:
    visitor = visit(tokens.get(address.scopes), viewport=PHONE, reduced_motion="reduce")
    visitor.expect_status(*({address.status} - {200}))
    page, scales = visitor.page, Scales(visitor.page)

    response = page.goto(address.path, wait_until="networkidle")
    assert response is not None
    assert response.status == address.status
    cold, seen = scales.weight(), painting(page)
    scales.empty()
    page.goto(address.path, wait_until="networkidle")
    warm = scales.weight()
    row = [address.name, cold.total, warm.total, cold.html, cold.requests, *seen[:2]]
    record_property("page", row)

    faults = faults_in_all_looks(page, address.name)
    assert not faults, "\n".join(faults)
    assert cold.total <= 60 * KIB
    assert warm.total <= 15 * KIB
    assert cold.requests <= 6
    assert cold.styles <= 10 * KIB
    assert cold.scripts <= 20 * KIB
    assert seen.shift <= 0.1  # which is called good
    assert seen.shift_after_html <= 0.005


def test_axe_is_the_released_file() -> None:
    said = (FOLDER / "VERSION.txt").read_text()
    assert f"axe-core {SOURCE.name.removeprefix('axe-').removesuffix('.min.js')}: " in said
    assert f"SHA-256: {hashlib.sha256(SOURCE.read_bytes()).hexdigest()}" in said
    assert "Mozilla Public License" in (FOLDER / "LICENSE").read_text()
