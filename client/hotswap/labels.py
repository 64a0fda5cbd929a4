"""Class labels as texts."""


def label_text(label: object) -> str:
    """A class label as the key of a JSON object: ``True`` is ``true``, 1 is ``1``."""
    return str(label).lower() if isinstance(label, bool) else str(label)
