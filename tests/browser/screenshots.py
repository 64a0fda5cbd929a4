"""Makes the pictures of the README from the demo: ``make screenshots``.

Times in them are those of the day they are made on; everything else is the same each time.
"""

import io
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from hotswap import Registry
from tests.browser.visitor import Visitor
from tests.system.real_server import BIN, ROOT, Server, free_port, running

FOLDER = ROOT / "docs" / "pictures"
BETWEEN_MOVES = 3.0
"""Seconds, so that what was live has some length in the picture."""
COLOURS = 128
"""A page has few colours: these are enough, and the file is a third as large."""


def model_page(page: Page) -> None:
    page.goto("/console/models/diabetes")
    expect(page.get_by_text("Live in production")).to_be_visible()


def try_page(page: Page) -> None:
    page.goto("/console/models/iris/1/try")
    expect(page.get_by_text("What if")).to_be_visible()


def use(server: Server) -> str:
    """Promote and roll back as a person would; the token of that person."""
    token = server.call(
        "POST", "/tokens", json={"name": "ann", "scopes": ["admin"], "kind": "person"}
    ).json()["token"]
    registry = Registry(server.url, token=token)
    moves = [
        lambda: registry.promote("diabetes", 2, reason="lower error"),
        lambda: registry.rollback("diabetes", reason="slower for the mobile app"),
        lambda: registry.promote("diabetes", 2, reason="faster since the upgrade"),
    ]
    for move in moves:
        time.sleep(BETWEEN_MOVES)
        move()
    time.sleep(BETWEEN_MOVES)
    return token


PICTURES = {"console-model": model_page, "console-try": try_page}


def take(folder: Path) -> None:
    """Write every picture to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        command = [BIN / "hotswap", "serve", "--demo", "--workers", "1"]
        with running(command, Path(place) / "data", free_port()) as server:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox"]
            )
            visitor = Visitor(
                chromium, server, color_scheme="light", timezone_id="UTC", locale="en-GB"
            )
            visitor.arrive(use(server))
            for name, show in PICTURES.items():
                show(visitor.page)
                visitor.page.wait_for_load_state("networkidle")
                write(folder / f"{name}.png", visitor.page.screenshot(animations="disabled"))
            visitor.leave()
            chromium.close()


def write(file: Path, png: bytes) -> None:
    """Write the picture with few colours."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    small = picture.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    small.save(file, optimize=True)


if __name__ == "__main__":
    take(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
