"""Tags as lines of text, ``key:value`` on each."""

from collections.abc import Mapping

from registry.errors import Fault, MetadataRefused


def tag_lines(tags: Mapping[str, str]) -> str | None:
    """The text that ``read_tag_lines`` reads as ``tags``; None if there is none, as for a key that
    has a colon."""
    text = "\n".join(f"{key}:{value}" for key, value in tags.items())
    try:
        return text if read_tag_lines(text) == tags else None
    except MetadataRefused:
        return None


def read_tag_lines(text: str) -> dict[str, str]:
    """The tags of ``text``; empty lines are skipped. Raises MetadataRefused."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, separator, value = line.partition(":")
        if line.strip() and not (separator and key.strip()):
            fault = Fault("tags", "expected key:value on each line")
            raise MetadataRefused("The tags cannot be read.", [fault])
        if line.strip():
            found[key.strip()] = value.strip()
    return found
