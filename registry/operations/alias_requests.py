"""What is requested of an alias: by whom, why, and what must be true of it at present."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from sqlalchemy.orm import Session

from registry.errors import AliasNotFound, ExpectedGenerationConflict, ExpectedVersionConflict
from registry.names import PRODUCTION
from registry.reading.views import View
from registry.storage.idempotency import Idempotency, store_answer
from registry.storage.tables import AliasRow, ModelRow


class Unchecked(Enum):
    """Stands for 'no expectation', since None already means 'the alias must not exist'."""

    UNCHECKED = "unchecked"


UNCHECKED: Literal[Unchecked.UNCHECKED] = Unchecked.UNCHECKED

STATING = (AliasNotFound, ExpectedVersionConflict, ExpectedGenerationConflict)
"""Errors that state what an alias is. A repeat of a request that was not answered is told by one of
them what that request has changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRequest:
    """A request to change what answers under an alias.

    ``expected_version`` is the version that the alias must point at, which of a split is the
    champion; ``expected_generation`` is the model's generation, which every change of one of its
    aliases increases by one.

    ``details`` are added to those of the event. ``within`` is called in the write transaction once
    all checks have passed; it raises where the change must not be made, and stores an answer of its
    own for the Idempotency-Key. ``via``: as for ``record``.
    """

    actor: str
    alias: str = PRODUCTION
    reason: str | None = None
    expected_version: int | Unchecked | None = UNCHECKED
    expected_generation: int | None = None
    idempotency: Idempotency | None = None
    via: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    within: Callable[[Session], None] | None = None


def expected_alias(session: Session, model: ModelRow, request: AliasRequest) -> AliasRow | None:
    """The alias as it is; None: it does not exist.

    Raises ExpectedVersionConflict, ExpectedGenerationConflict.
    """
    alias = session.get(AliasRow, (model.name, request.alias))
    actual = None if alias is None else alias.number
    if request.expected_version is not UNCHECKED and request.expected_version != actual:
        raise ExpectedVersionConflict(request.alias, request.expected_version, actual)
    check_generation(model, request.expected_generation)
    return alias


def check_generation(model: ModelRow, expected: int | None) -> None:
    """Raises ExpectedGenerationConflict."""
    if expected not in {None, model.generation}:
        raise ExpectedGenerationConflict(model.name, expected, model.generation)


def confirm(session: Session, request: AliasRequest) -> None:
    """Make the caller's own check, after all others. Raises what ``request.within`` raises."""
    if request.within is not None:
        request.within(session)


def keep_answer(session: Session, request: AliasRequest, answer: View) -> None:
    """Store ``answer`` for repeats of the request, unless ``request.within`` has stored another.

    Raises IdempotencyKeyReused.
    """
    if request.within is None:
        store_answer(session, request.idempotency, answer)
