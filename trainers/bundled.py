"""The data sets that come with scikit-learn, as a recipe names them. Imports no scikit-learn."""

BUNDLED_PREFIX = "sklearn:"
BUNDLED_TARGET = "target"
"""The column that they predict."""


def is_bundled(data: str) -> bool:
    """Whether ``data`` names a bundled set, such as ``sklearn:iris``, and not a file."""
    return data.startswith(BUNDLED_PREFIX)
