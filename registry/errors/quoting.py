"""Text of a caller, made safe and short for a message or a log line."""


def shown(value: str, limit: int = 60) -> str:
    """A caller's own text, quoted and cut so that it is safe and short in a message."""
    return repr(value if len(value) <= limit else value[: limit - 1] + "…")


def printable(text: str, limit: int = 10_000) -> str:
    """The first ``limit`` letters of what an enemy may have written, fit for a line of a log."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:limit])
