"""The application of a control: a change is answered as soon as it is committed."""

from registry.hosts.promoter import Promoter
from registry.hosts.protocol import Steps


def _at_once(_self: Promoter, _patience: int) -> Steps[tuple[str, ...]]:
    yield from ()
    return ()


Promoter.confirm = _at_once

from wsgi import app  # noqa: E402 - after the change

__all__ = ["app"]
