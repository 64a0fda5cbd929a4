"""The option ``--memory``: how much a training may take."""

import re
from collections.abc import Callable

import click

_UNITS = {"": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(|[kmg]b)", re.ASCII | re.IGNORECASE)


class Size(click.ParamType[int]):
    """Bytes, such as ``64GB``."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value.strip())
        if found is None:
            self.fail(f"{value!r} is not a size: write 500MB or 64GB.", param, ctx)
        return int(float(found[1]) * _UNITS[found[2].lower()])


def memory_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add --memory to ``command``."""
    return click.option(
        "--memory",
        type=Size(),
        metavar="SIZE",
        help="Refuse a table that takes more, such as 64GB.  [default: what is available]",
    )(command)


def memory_or_available(given: int | None) -> int | None:
    """``given``, else what this process may take; None where the system does not tell."""
    if given is not None:
        return given
    from trainers.memory import available

    return available()
