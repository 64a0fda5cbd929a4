"""Where in a model an object is, in words: step 2 'clf', 'estimators_[3]'."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

_NAMED = {
    "estimators": "estimator",
    "steps": "step",
    "transformer_list": "transformer",
    "transformers": "transformer",
    "transformers_": "transformer",
}
"""The attributes whose lists have a name for each estimator, and what one of them is called."""

Labelled = tuple[str | None, Any]
"""An object inside another, and the words for its place there; None: the same place."""


def place_of(model: Any, wanted: Any) -> str:
    """The place of the object ``wanted`` in ``model`` in brackets, with a blank before it; empty if
    it is the model itself or is not found."""
    return _shown(_path(model, lambda each: each is wanted, _inside))


def place_in_schema(schema: Any, wanted: dict[str, Any]) -> str:
    """The same for a node of a skops file's schema."""
    return _shown(_path(schema, lambda each: each is wanted, _inside_node))


def _shown(labels: list[str]) -> str:
    return f" ({', '.join(labels)})" if labels else ""


def _path(
    model: Any, found: Callable[[Any], bool], inside: Callable[[Any], Iterator[Labelled]]
) -> list[str]:
    """The labels on the way from ``model`` to the first object that is ``found``."""
    pending: list[tuple[Any, tuple[Any, ...]]] = [(model, ())]
    seen: set[int] = set()
    while pending:
        part, way = pending.pop()
        if found(part):
            labels: list[str] = []
            while way:
                way, label = way
                labels.append(label)
            return labels[::-1]
        if id(part) in seen:
            continue
        seen.add(id(part))
        for label, each in reversed(list(inside(part))):
            pending.append((each, way if label is None else (way, label)))
    return []


def _inside(part: Any) -> Iterator[Labelled]:
    if isinstance(part, dict):
        yield from ((None, value) for value in part.values())
    elif isinstance(part, list | tuple | set):
        yield from ((None, value) for value in part)
    elif isinstance(part, np.ndarray) and part.dtype.hasobject:
        yield from ((None, value) for value in part.ravel().tolist())
    for key, value in vars(part).items() if hasattr(part, "__dict__") else ():
        items = value if isinstance(value, list | tuple) else None
        yield from _attribute(str(key), value, items, _name)


def _attribute(
    key: str, value: Any, items: Any, name_of: Callable[[Any], str | None]
) -> Iterator[Labelled]:
    """An attribute, or its ``items`` if it is a list: each with its name, or its index."""
    if items is None:
        yield repr(key), value
        return
    for index, item in enumerate(items):
        name = name_of(item) if key in _NAMED else None
        label = repr(f"{key}[{index}]") if name is None else f"{_NAMED[key]} {index + 1} {name!r}"
        yield label, item


def _name(item: Any) -> str | None:
    first = item[0] if isinstance(item, tuple) and item else None
    return first[:100] if isinstance(first, str) else None


def _inside_node(node: Any) -> Iterator[Labelled]:
    if isinstance(node, list):
        yield from ((None, each) for each in node)
    if not isinstance(node, dict):
        return
    content = node.get("content")
    attributes = content.get("content") if isinstance(content, dict) else None
    if node.get("__loader__") == "ObjectNode" and isinstance(attributes, dict):
        for key, value in attributes.items():
            yield from _attribute(str(key), value, _node_items(value), _node_name)
    else:
        yield from ((None, value) for value in node.values())


def _node_items(value: Any) -> Any:
    """The nodes of a list or tuple; None where the node is neither."""
    loader = value.get("__loader__") if isinstance(value, dict) else None
    content = value.get("content") if loader in {"ListNode", "TupleNode"} else None
    return content if isinstance(content, list) else None


def _node_name(item: Any) -> str | None:
    try:
        name = json.loads(item["content"][0]["content"])
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return name[:100] if isinstance(name, str) else None
