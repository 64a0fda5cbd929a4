"""Rollouts."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Literal, cast

from hotswap.operations.service import JSON, SLOW_SECONDS, Service
from hotswap.replies import Rollout
from hotswap.requested import json_body, promotion_request, with_key
from hotswap.transport import path_of

PRODUCTION = "production"
POLL_SECONDS = 2.0
"""Between two looks at a rollout."""
_GOES_ON = frozenset({"running", "baking"})
_Verb = Literal["pause", "resume", "abort", "finish"]


class Rollouts(Service):
    """Versions that take over an alias in steps."""

    def start_rollout(
        self,
        name: str,
        version: int,
        plan: Mapping[str, Any],
        *,
        alias: str = PRODUCTION,
        reason: str | None = None,
        expected_version: int | None = None,
        expected_generation: int | None = None,
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Rollout:
        """Start to replace the version of ``alias`` in the steps of ``plan``; nothing changes if a
        rollout of the same version and plan is in progress.

        ``plan`` is a dict as ``docs/rollouts.md`` describes it. With ``expected_version`` the alias
        must point at this version now. ``force`` starts a rollout although gates fail or the
        version was rolled back recently, and requires a reason.
        """
        request = promotion_request(
            version=version,
            reason=reason,
            expected_version=expected_version,
            expected_generation=expected_generation,
            force=force or None,
        )
        reply = self._transport.request(
            "PUT",
            _path(name, alias),
            body=json_body({**plan, **request}),
            headers={"Content-Type": JSON, **with_key(idempotency_key)},
            patience=SLOW_SECONDS,
        )
        return cast(Rollout, reply.object("version", "state"))

    def rollout(self, name: str, *, alias: str = PRODUCTION) -> Rollout:
        """The rollout in progress under ``alias``, or else the last one.

        Raises ``problems.RolloutNotFound`` if there was none.
        """
        return cast(Rollout, self._get(_path(name, alias), "version", "state"))

    def wait_for_rollout(
        self,
        name: str,
        *,
        alias: str = PRODUCTION,
        seconds: float = POLL_SECONDS,
        changed: Callable[[Rollout], None] = lambda _: None,
    ) -> Rollout:
        """Return the rollout when it has ended, or waits for somebody: it is ``held`` or
        ``paused``. Sends a request every ``seconds``; ``changed`` is called with each state."""
        while True:
            found = self.rollout(name, alias=alias)
            changed(found)
            if found["state"] not in _GOES_ON:
                return found
            time.sleep(seconds)

    def pause_rollout(
        self,
        name: str,
        *,
        alias: str = PRODUCTION,
        reason: str | None = None,
        expected_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> Rollout:
        """Stay at the present weight. Guards still apply.

        With ``expected_revision``, the ``revision`` of a rollout that was read before, nothing
        happens if it has changed since.
        """
        request = promotion_request(reason=reason, expected_revision=expected_revision)
        return self._move_rollout(name, alias, "pause", request, idempotency_key)

    def resume_rollout(
        self,
        name: str,
        *,
        alias: str = PRODUCTION,
        reason: str | None = None,
        expected_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> Rollout:
        """Continue a rollout that was paused or is held."""
        request = promotion_request(reason=reason, expected_revision=expected_revision)
        return self._move_rollout(name, alias, "resume", request, idempotency_key)

    def abort_rollout(
        self,
        name: str,
        *,
        alias: str = PRODUCTION,
        reason: str | None = None,
        expected_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> Rollout:
        """Give all requests back to the version that the rollout was to replace."""
        request = promotion_request(reason=reason, expected_revision=expected_revision)
        return self._move_rollout(name, alias, "abort", request, idempotency_key)

    def finish_rollout(
        self,
        name: str,
        *,
        alias: str = PRODUCTION,
        reason: str | None = None,
        expected_revision: int | None = None,
        idempotency_key: str | None = None,
    ) -> Rollout:
        """Promote the version now, without the remaining steps."""
        request = promotion_request(reason=reason, expected_revision=expected_revision)
        return self._move_rollout(name, alias, "finish", request, idempotency_key)

    def _move_rollout(
        self,
        name: str,
        alias: str,
        verb: _Verb,
        request: Mapping[str, Any],
        idempotency_key: str | None,
    ) -> Rollout:
        reply = self._transport.request(
            "POST",
            f"{_path(name, alias)}/{verb}",
            body=json_body(request),
            headers={"Content-Type": JSON, **with_key(idempotency_key)},
            patience=SLOW_SECONDS,
        )
        return cast(Rollout, reply.object("version", "state"))


def _path(name: str, alias: str) -> str:
    return path_of("models", name, "aliases", alias, "rollout")
