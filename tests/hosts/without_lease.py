"""The application of a control: a lease that was given once does not end.

A host that is cut off from the database goes on by what it knew, and promotions that have waited
for it as long as its lease should last are answered.
"""

from registry.hosts.renewer import Renewer

_CENTURY = 100 * 365 * 86_400 * 10**9


def _endless(_self: Renewer, began: int) -> int:
    return began + _CENTURY


Renewer._end_of_lease = _endless

from wsgi import app  # noqa: E402 - after the change

__all__ = ["app"]
