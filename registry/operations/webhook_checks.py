"""What a webhook has to be: checked where one is created and where one is changed."""

from collections.abc import Sequence

from registry.deliveries.addresses import Allowed, check_target
from registry.deliveries.patterns import EVENT_PATTERN, unmatched
from registry.deliveries.urls import Target, parse_url
from registry.errors import AddressRefused, Fault, WebhookRefused
from registry.operations.create_token import MODEL_PATTERN

MOST_PATTERNS = 50


def check_webhook(
    url: str | None,
    events: Sequence[str] | None,
    models: Sequence[str] | None,
    allowed: Allowed,
) -> None:
    """Check what is given; None is not.

    Raises WebhookRefused.
    """
    faults = [*_event_faults(events), *_model_faults(models)]
    if url is not None:
        try:
            checked_target(url, allowed)
        except AddressRefused as error:
            faults = [*error.faults, *faults]
    if faults:
        raise WebhookRefused(faults)


def checked_target(url: str, allowed: Allowed) -> Target:
    """The target of ``url``, if it may be reached, as far as its host is an address.

    Raises AddressRefused.
    """
    target = parse_url(url)
    check_target(target, allowed)
    return target


def _event_faults(events: Sequence[str] | None) -> list[Fault]:
    if events is None:
        return []
    if not 0 < len(events) <= MOST_PATTERNS:
        return [Fault("events", f"expected 1 to {MOST_PATTERNS} patterns; '*' is every event")]
    unknown = set(unmatched(events))
    return [
        Fault(
            f"events[{index}]", "expected an event, or a pattern with * or ? that matches an event"
        )
        for index, pattern in enumerate(events)
        if pattern in unknown or not EVENT_PATTERN.fullmatch(pattern)
    ]


def _model_faults(models: Sequence[str] | None) -> list[Fault]:
    if models is None:
        return []
    if not 0 < len(models) <= MOST_PATTERNS:
        return [Fault("models", f"expected 1 to {MOST_PATTERNS} patterns; omit it for every model")]
    return [
        Fault(f"models[{index}]", "expected a model name, which may contain * and ?")
        for index, pattern in enumerate(models)
        if not MODEL_PATTERN.fullmatch(pattern)
    ]
