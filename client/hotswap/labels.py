"""Class labels and names as texts."""

from collections.abc import Iterable


def label_text(label: object) -> str:
    """A class label as the key of a JSON object: ``True`` is ``true``, 1 is ``1``."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def listed(names: Iterable[str], limit: int = 5) -> str:
    """Names in quotes, at most ``limit``, and the count of the others."""
    every = list(names)
    shown = ", ".join(f"'{name}'" for name in every[:limit])
    return shown if len(every) <= limit else f"{shown} and {len(every) - limit} more"
