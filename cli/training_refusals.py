"""Turns the errors of the trainers into CommandFailed."""

from collections.abc import Iterator
from contextlib import contextmanager

from cli.exits import WRONG_USAGE, CommandFailed
from registry.errors import Fault


@contextmanager
def refusals() -> Iterator[None]:
    """Raise a TrainingRefused in this block as CommandFailed, with the exit code of wrong usage."""
    from trainers.errors import RecipeRefused, TrainingRefused

    try:
        yield
    except RecipeRefused as error:
        if len(error.mistakes) == 1:
            raise CommandFailed(str(error), WRONG_USAGE) from error
        message = f"{error.source} cannot be used: {len(error.mistakes)} mistakes."
        faults = tuple(map(_fault, error.mistakes))
        raise CommandFailed(message, WRONG_USAGE, faults=faults) from error
    except TrainingRefused as error:
        raise CommandFailed(str(error), WRONG_USAGE) from error


def _fault(mistake: str) -> Fault:
    at, colon, text = mistake.partition(": ")
    return Fault(at, text) if colon and at.startswith("line ") else Fault("recipe", mistake)
