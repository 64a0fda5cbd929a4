"""That ``make test-browser`` visits every page."""

from tests.browser.addresses import NO_PAGES, PAGES
from tests.integration.console.conftest import Console


def test_every_page_is_visited_in_a_browser(console: Console) -> None:
    rules = [rule for rule in console.service.app.url_map.iter_rules() if "GET" in rule.methods]
    endpoints = {
        rule.endpoint.removeprefix("console.")
        for rule in rules
        if rule.endpoint.startswith("console.")
    }
    assert endpoints == PAGES.keys() | NO_PAGES.keys()
    assert not PAGES.keys() & NO_PAGES.keys()
