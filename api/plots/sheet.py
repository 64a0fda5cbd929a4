"""An SVG document that carries its own colours.

It is not a part of a page, and may be put into any page or file. Presentation attributes have the
colours for a light background, so that it is right also where style elements are removed; the style
sheet has those for a dark one.
"""

from collections.abc import Mapping
from typing import Literal
from xml.etree import ElementTree as ET

from registry.cards.blocks import visible

Colour = Literal["card", "ink", "dim", "line", "past", "link", "ok", "warn", "bad", "edge"]
_COLOURS: dict[Colour, tuple[str, str]] = {
    "card": ("#ffffff", "#191d23"),
    "ink": ("#171a1f", "#e8ebef"),
    "dim": ("#596170", "#a2abb8"),
    "line": ("#e1e4e9", "#2c323b"),
    "past": ("#c2c8d2", "#434b57"),
    "link": ("#1f4fc4", "#8db4ff"),
    "ok": ("#10713b", "#5fd08d"),
    "warn": ("#855300", "#e9b44c"),
    "bad": ("#b3261e", "#ff9a90"),
    "edge": ("#7d8594", "#707a89"),
}
"""On a light and on a dark background: those of the console."""
_DARK = "".join(
    f".fill-{name}{{fill:{dark}}}.stroke-{name}{{stroke:{dark}}}"
    for name, (_, dark) in _COLOURS.items()
)
STYLE = f"@media(prefers-color-scheme:dark){{{_DARK}}}"
_FONT = "system-ui, sans-serif"
_NAMESPACE = "http://www.w3.org/2000/svg"


class Sheet:
    """An empty document of ``width``; its height is given when it is written."""

    def __init__(self, width: int, title: str, description: str) -> None:
        self._root = ET.Element("svg", {"xmlns": _NAMESPACE, "role": "img"})
        self._width = width
        self._root.set("aria-labelledby", "title description")
        for name, text in (("title", title), ("description", description)):
            tag = "desc" if name == "description" else name
            ET.SubElement(self._root, tag, {"id": name}).text = visible(text)
        ET.SubElement(self._root, "style").text = STYLE
        self.shape("rect", {"width": "100%", "height": "100%"}, fill="card")

    def shape(
        self,
        tag: str,
        attributes: Mapping[str, float | str],
        *,
        fill: Colour | None = None,
        stroke: Colour | None = None,
        tip: str = "",
    ) -> ET.Element:
        """Add an element. ``tip`` is shown to who points at it."""
        element = ET.SubElement(self._root, tag)
        element.set("fill", "none" if fill is None else _COLOURS[fill][0])
        if stroke is not None:
            element.set("stroke", _COLOURS[stroke][0])
        classes = [f"fill-{fill}"] if fill else []
        classes += [f"stroke-{stroke}"] if stroke else []
        element.set("class", " ".join(classes))
        for name, value in attributes.items():
            element.set(name, str(value))
        if tip:
            ET.SubElement(element, "title").text = visible(tip)
        return element

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        fill: Colour = "dim",
        size: int = 11,
        anchor: str = "start",
        weight: int = 400,
        most: int = 80,
    ) -> None:
        """Add a text whose baseline is at ``y``; a long one is cut after ``most`` characters."""
        whole = visible(text)
        shown = whole if len(whole) <= most else f"{whole[: most - 1]}…"
        attributes: dict[str, float | str] = {"x": x, "y": y, "font-size": size}
        attributes |= {"font-family": _FONT, "font-weight": weight, "text-anchor": anchor}
        tip = whole if shown != whole else ""
        self.shape("text", attributes, fill=fill, tip=tip).text = shown

    def write(self, height: float) -> bytes:
        """The document."""
        self._root.set("width", str(self._width))
        self._root.set("height", str(round(height)))
        self._root.set("viewBox", f"0 0 {self._width} {round(height)}")
        content: bytes = ET.tostring(self._root, encoding="utf-8", xml_declaration=True)
        return content
