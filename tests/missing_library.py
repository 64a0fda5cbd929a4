"""A library that cannot be imported in a block, as where it is not installed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def missing_library(name: str) -> Iterator[None]:
    """Hide ``name`` from imports and from ``find_spec``; what is imported already stays in use."""
    hidden = {
        module: found
        for module, found in sys.modules.items()
        if module == name or module.startswith(f"{name}.")
    }
    for module in hidden:
        del sys.modules[module]
    # https://docs.python.org/3/reference/import.html#the-module-cache
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
        sys.modules.update(hidden)
