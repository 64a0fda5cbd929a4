"""Text of a caller, made safe and short for a message or a log line."""


def shown(value: str, limit: int = 60) -> str:
    """A caller's text, quoted and truncated so that it is safe and short in a message."""
    return repr(value if len(value) <= limit else value[: limit - 1] + "…")


def printable(text: str, limit: int = 10_000) -> str:
    """The first ``limit`` characters of untrusted text, made printable for a line of a log."""
    return "".join(character if character.isprintable() else " " for character in text[:limit])
