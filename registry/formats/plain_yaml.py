"""Reads YAML files that others wrote into plain dicts, lists and texts.

The document is put together from the parser's events, without recursion: PyYAML's loaders crash or
take minutes for some documents of a few kilobytes. Numbers and dates stay texts. Tags are refused,
and so are aliases of collections, with which a short document can stand for a very large value, and
merge keys (``<<``), which other readers replace by the keys of another mapping.
"""

from typing import Any

MAX_DEPTH = 32
MAX_NODES = 20_000


def read_yaml(content: bytes) -> Any:
    """The first document of ``content`` as dicts, lists, texts, booleans and None.

    Raises ValueError, which says what is wrong, also for more than MAX_DEPTH levels or MAX_NODES
    nodes.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # absent without libyaml
    document = _Document()
    try:
        for event in map(_untagged, yaml.parse(content, Loader=loader)):
            if isinstance(event, yaml.ScalarEvent):
                document.add(_scalar(event.value, is_plain=event.implicit[0]), event.anchor)
            elif isinstance(event, yaml.MappingStartEvent):
                document.open({}, event.anchor)
            elif isinstance(event, yaml.SequenceStartEvent):
                document.open([], event.anchor)
            elif isinstance(event, yaml.AliasEvent):
                document.add_alias(event.anchor)
            elif isinstance(event, yaml.CollectionEndEvent):
                document.close()
            elif isinstance(event, yaml.DocumentEndEvent):
                break
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    return document.root


def _untagged(event: Any) -> Any:
    """Raises ValueError."""
    if getattr(event, "tag", None) not in {None, "!"}:
        raise ValueError("tags are not accepted")
    return event


_PLAIN = {"": None, "~": None} | {
    spelt: value
    for word, value in (("null", None), ("true", True), ("false", False))
    for spelt in (word, word.capitalize(), word.upper())
}
"""In the three spellings of YAML 1.1; ``nUlL`` is a text."""


def _scalar(text: str, *, is_plain: bool) -> Any:
    """Raises ValueError."""
    if is_plain and text == "<<":
        raise ValueError("merge keys are not accepted")
    return _PLAIN.get(text, text) if is_plain else text


class _Document:
    """The document so far, and the collections that are still open."""

    def __init__(self) -> None:
        self.root: Any = None
        self._open: list[dict[Any, Any] | list[Any]] = []
        self._keys: list[Any] = []
        self._anchors: dict[str, Any] = {}
        self._nodes = 0

    def add(self, value: Any, anchor: str | None = None) -> None:
        """Raises ValueError."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ValueError(f"it has more than {MAX_NODES} values")
        if anchor is not None:
            self._anchors[anchor] = value
        if not self._open:
            self.root = value
        elif isinstance(within := self._open[-1], list):
            within.append(value)
        elif self._keys[-1] is not _NO_KEY:
            within[self._keys[-1]] = value
            self._keys[-1] = _NO_KEY
        elif isinstance(value, dict | list):
            raise ValueError("expected a text as a key")
        else:
            self._keys[-1] = value

    def add_alias(self, anchor: str) -> None:
        """Raises ValueError."""
        if anchor not in self._anchors:
            raise ValueError(f"the alias {anchor!r} refers to nothing")
        if isinstance(value := self._anchors[anchor], dict | list):
            raise ValueError(f"the alias {anchor!r} refers to a collection")
        self.add(value)

    def open(self, collection: dict[Any, Any] | list[Any], anchor: str | None) -> None:
        """Raises ValueError."""
        if len(self._open) == MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        self.add(collection, anchor)
        self._open.append(collection)
        self._keys.append(_NO_KEY)

    def close(self) -> None:
        self._open.pop()
        self._keys.pop()


_NO_KEY = object()
