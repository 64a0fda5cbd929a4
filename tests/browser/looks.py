"""What can be seen of a page: light and dark, wide and on a phone."""

import re
from itertools import product
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.axe import load_axe, violations
from tests.browser.visitor import PHONE, WIDE

PICTURES = Path(__file__).parents[2] / "build" / "browser"
LOOKS = tuple(product((("wide", WIDE), ("phone", PHONE)), ("light", "dark")))


def faults_in_all_looks(page: Page, name: str) -> list[str]:
    """What violates a rule of accessibility or is wider than the window, in each look.

    Keeps a picture of each in ``PICTURES``, named for the page.
    """
    faults = []
    load_axe(page)
    for (width, size), scheme in LOOKS:
        page.set_viewport_size(size)
        page.emulate_media(color_scheme=scheme)
        look = f"{width} {scheme}"
        sideways = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if sideways > 0:
            faults.append(f"{look}: {sideways} px wider than the window")
        faults += [f"{look}: {one}" for one in violations(page)]
        picture = PICTURES / f"{re.sub('[^a-z0-9]+', '-', name)}-{width}-{scheme}.png"
        page.screenshot(path=picture, full_page=True)
    page.set_viewport_size(WIDE)
    return faults
