"""What a page weighs, how soon it is seen, and whether its parts move meanwhile."""

from typing import Any, NamedTuple

from playwright.sync_api import Page

KIB = 1024


class Weight(NamedTuple):
    """Bytes as they were transferred, with the headers: of everything that a page loads, of its
    HTML, styles and scripts; and how many requests there were."""

    total: int
    html: int
    styles: int
    scripts: int
    requests: int


class Scales:
    """Weighs what ``page`` loads, by the browser's own figures."""

    def __init__(self, page: Page) -> None:
        self._types: dict[str, str] = {}
        self._bytes: dict[str, int] = {}
        self._requests = 0
        session = page.context.new_cdp_session(page)
        session.on("Network.requestWillBeSent", self._sent)
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)
        session.send("Network.enable")

    def empty(self) -> None:
        """Begin anew."""
        self._types, self._bytes, self._requests = {}, {}, 0

    def weight(self) -> Weight:
        """Of what was loaded since ``empty``."""
        sums = dict.fromkeys(("Document", "Stylesheet", "Script"), 0)
        for request, size in self._bytes.items():
            kind = self._types.get(request, "")
            sums[kind] = sums.get(kind, 0) + size
        return Weight(
            sum(self._bytes.values()),
            sums["Document"],
            sums["Stylesheet"],
            sums["Script"],
            self._requests,
        )

    def _sent(self, event: dict[str, Any]) -> None:
        self._requests += not event["request"]["url"].startswith("data:")

    def _received(self, event: dict[str, Any]) -> None:
        self._types[event["requestId"]] = event["type"]

    def _finished(self, event: dict[str, Any]) -> None:
        self._bytes[event["requestId"]] = int(event["encodedDataLength"])


class Painting(NamedTuple):
    """Milliseconds to the first content, and by how much the layout shifted (0: not at all), as
    https://web.dev/articles/cls defines it: in all, and after the HTML was read."""

    first: float
    shift: float
    shift_after_html: float


def painting(page: Page) -> Painting:
    """Of the page as it was loaded last."""
    figures = page.evaluate(
        """() => new Promise((resolve) => {
          const shifts = [];
          const observer = new PerformanceObserver((list) => shifts.push(...list.getEntries()));
          observer.observe({type: "layout-shift", buffered: true});
          const sum = (since) => shifts
            .filter((one) => one.startTime >= since && !one.hadRecentInput)
            .reduce((total, one) => total + one.value, 0);
          requestAnimationFrame(() => requestAnimationFrame(() => {
            shifts.push(...observer.takeRecords());
            const [paint] = performance.getEntriesByName("first-contentful-paint");
            const [navigation] = performance.getEntriesByType("navigation");
            resolve([paint?.startTime ?? NaN, sum(0), sum(navigation.domInteractive)]);
          }));
        })"""
    )
    return Painting(*figures)
