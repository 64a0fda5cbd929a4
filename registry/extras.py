"""Libraries that are installed only with an extra of this package.

docs/decisions/0036-what-make-serve-installs.md says why they are not always installed.
"""

from importlib.util import find_spec
from typing import Literal

Extra = Literal[
    "arrow", "dask", "excel", "lightgbm", "otel", "plots", "postgresql", "s3", "xgboost"
]

LIBRARIES: dict[Extra, str] = {
    "arrow": "pyarrow",
    "dask": "distributed",
    "excel": "python_calamine",
    "lightgbm": "lightgbm",
    "otel": "opentelemetry",
    "plots": "matplotlib",
    "postgresql": "psycopg",
    "s3": "obstore",
    "xgboost": "xgboost",
}
"""What each extra installs, by the name under which it is imported."""


def is_installed(extra: Extra) -> bool:
    """Whether the library of ``extra`` can be found; nothing is imported."""
    return find_spec(LIBRARIES[extra]) is not None


def missing(extra: Extra, needed_for: str) -> str:
    """The message for a user whose installation lacks ``extra``."""
    return f"{needed_for} requires {LIBRARIES[extra]}, which is not installed. {advice(extra)}"


def advice(extra: Extra) -> str:
    """How to install ``extra``."""
    return (
        f"Install the extra '{extra}': make extras in a clone of Hotswap, or else "
        f"pip install 'hotswap[{extra}]'."
    )
