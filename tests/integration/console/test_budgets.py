"""What a page weighs, compressed, and that vendored files are those that were released."""

import hashlib
import re
from importlib.resources import files

import pytest

from console.assets import assets
from tests.integration.console.conftest import Console

KIB = 1024


def test_styles_and_scripts_stay_small() -> None:
    styles = sum(len(a.compressed) for name, a in assets().items() if name.endswith(".css"))
    scripts = sum(len(a.compressed) for name, a in assets().items() if name.endswith(".js"))
    assert styles <= 10 * KIB
    assert scripts <= 20 * KIB


@pytest.mark.parametrize(
    "path",
    [
        "/console/models",
        "/console/models/{name}",
        "/console/models/{name}/4/promote",
        "/console/models/{name}/rollback",
        "/console/models/{name}/compare?v=1,2,3,4&all=1",
        "/console/models/{name}/gates",
    ],
)
def test_a_page_weighs_little_and_takes_few_requests(
    console: Console, housing: str, path: str
) -> None:
    browser = console.admin
    packed = browser.client.get(path.format(name=housing), headers={"Accept-Encoding": "gzip"})
    page = browser.get(path.format(name=housing))
    loaded = [link["href"] for link in page.of("link")] + [s["src"] for s in page.of("script")]
    weights = [
        len(browser.client.get(address, headers={"Accept-Encoding": "gzip"}).data)
        for address in loaded
    ]
    assert len(packed.data) <= 15 * KIB  # what is left when the others are cached
    assert len(packed.data) + sum(weights) <= 60 * KIB
    assert 1 + len(loaded) <= 6


def test_htmx_is_the_released_file() -> None:
    folder = files("console") / "static" / "vendor" / "htmx"
    said = (folder / "VERSION.txt").read_text()
    version = re.search(r"htmx\.org (\S+):", said)[1]
    released = (folder / f"htmx-{version}.min.js").read_bytes()
    assert f"SHA-256: {hashlib.sha256(released).hexdigest()}" in said
    assert "Zero-Clause BSD" in (folder / "LICENSE").read_text()
