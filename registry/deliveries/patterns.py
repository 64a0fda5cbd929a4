"""Which events, of which models, a webhook receives."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import get_args

from registry.names import name_key
from registry.storage.history import EventType

TEST_EVENT = "webhook.test"
"""The event of a message that was requested, not caused by a change."""
EVENT_PATTERN = re.compile(r"[a-z_.*?]{1,64}")

_FAMILIES = ("split", "rollout", "alert", "webhook")


def event_name(type_: str) -> str:
    """The name of a type of the history in messages: ``rollout_started`` is ``rollout.started``.

    A type that belongs to no such family, such as ``promoted``, is its own name.
    """
    family, _, verb = type_.partition("_")
    return f"{family}.{verb}" if verb and family in _FAMILIES else type_


EVENT_NAMES: tuple[str, ...] = tuple(sorted(event_name(type_) for type_ in get_args(EventType)))


def covers_event(patterns: Iterable[str], name: str) -> bool:
    """Whether one of the glob patterns matches the name of an event."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def covers_model(patterns: Iterable[str] | None, model: str | None) -> bool:
    """Whether one of the glob patterns matches the model's name, in any case; None: every model.

    An event without a model, such as the creation of a token, matches no pattern.
    """
    if patterns is None:
        return True
    return model is not None and any(
        fnmatchcase(name_key(model), name_key(pattern)) for pattern in patterns
    )


def unmatched(patterns: Iterable[str]) -> list[str]:
    """The patterns that match no event at all, for example because of a typing error."""
    return [one for one in patterns if not any(fnmatchcase(name, one) for name in EVENT_NAMES)]
