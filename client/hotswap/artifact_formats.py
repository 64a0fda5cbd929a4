"""Recognises the files of libraries whose endings are ambiguous."""

from pathlib import Path

_KNOWN_ENDINGS = frozenset({".skops", ".joblib", ".onnx", ".ubj"})
_UBJSON = b"{L" + (7).to_bytes(8, "big") + b"learner{"
_LONGEST = 64


def format_of(path: Path) -> str | None:
    """``xgboost`` or ``lightgbm`` where the file begins as these libraries write it and its ending
    says nothing; else None.

    Raises OSError.
    """
    if path.suffix.lower() in _KNOWN_ENDINGS:
        return None
    with path.open("rb") as file:
        start = file.read(_LONGEST)
    if start.startswith(b"tree\nversion=v"):
        return "lightgbm"
    if start.replace(b" ", b"").startswith(b'{"learner":{"') or start.startswith(_UBJSON):
        return "xgboost"
    return None
