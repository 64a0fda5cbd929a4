"""Aliases and gates."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, cast

from hotswap.operations.service import JSON, SLOW_SECONDS, Reference, Service
from hotswap.pages import all_items
from hotswap.replies import Alias, GateReport, Policy, Promotion, Verdict
from hotswap.requested import json_body, promotion_request, with_key
from hotswap.transport import path_of


class Unset(Enum):
    """``expected_version`` without a condition; None requires that there is no alias."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
ExpectedVersion = int | None | Literal[Unset.UNSET]


class Promotions(Service):
    """Which version an alias points at, and the gates that a version must pass."""

    def promote(
        self,
        name: str,
        version: Reference,
        *,
        alias: str | None = None,
        expected_version: ExpectedVersion = UNSET,
        expected_generation: int | None = None,
        reason: str | None = None,
        gates: Sequence[str] = (),
        force: bool = False,
        end_split: bool = False,
        idempotency_key: str | None = None,
    ) -> Promotion:
        """Point ``alias`` (default: ``production``) at a version; returns when it is live.

        ``expected_version`` makes it a compare-and-set: the version that the alias must point at
        now, or None if the alias must not exist yet. So does ``expected_generation``: the model's
        generation, which every change of one of its aliases increases. ``gates`` are checked in
        addition to those of the model's policy. Raises ``problems.GateFailed`` if one fails;
        ``force`` moves the alias nevertheless, and requires a reason.

        An alias that is split is moved to one of the versions of its split, which ends it; to
        another only with ``end_split``, otherwise raises ``problems.SplitActive``.
        """
        request = promotion_request(
            alias=alias,
            reason=reason,
            gates=list(gates) or None,
            expected_generation=expected_generation,
        )
        if expected_version is not UNSET:
            request["expected_version"] = expected_version
        if force:
            request["force"] = True
        if end_split:
            request["end_split"] = True
        path = path_of("models", name, version, "promote")
        return self._move(path, request, idempotency_key)

    def rollback(
        self,
        name: str,
        *,
        to_version: int | None = None,
        alias: str | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
        expected_generation: int | None = None,
        idempotency_key: str | None = None,
    ) -> Promotion:
        """Point ``alias`` at its previous version, or at ``to_version``.

        With ``expected_version`` only if it points at that one now; with ``expected_generation``
        only if that is the model's generation now.
        """
        request = promotion_request(
            alias=alias,
            reason=reason,
            to_version=to_version,
            expected_version=expected_version,
            expected_generation=expected_generation,
        )
        path = path_of("models", name, "rollback")
        return self._move(path, request, idempotency_key)

    def aliases(self, name: str) -> Iterator[Alias]:
        """The aliases of a model and the version that each points at."""
        return all_items(self._transport, path_of("models", name, "aliases"))

    def alias(self, name: str, alias: str, at: datetime | None = None) -> Alias:
        """One alias; with ``at``, which must have a time zone, what it pointed at at that time.

        Raises ``problems.AliasNotFound`` if there is, or was, none.
        """
        reply = self._transport.request(
            "GET",
            path_of("models", name, "aliases", alias),
            query=None if at is None else {"at": at.isoformat()},
        )
        return cast(Alias, reply.object("alias", "version"))

    def delete_alias(
        self, name: str, alias: str, *, expected_generation: int | None = None
    ) -> None:
        """Delete an alias; its version is kept.

        ``expected_generation``: delete it only if this is the model's generation now.
        """
        self._transport.request(
            "DELETE",
            path_of("models", name, "aliases", alias),
            query=(
                None
                if expected_generation is None
                else {"expected_generation": expected_generation}
            ),
        )

    def evaluate(
        self,
        name: str,
        version: Reference,
        *,
        alias: str | None = None,
        gates: Sequence[str] = (),
    ) -> GateReport:
        """The results of the gates that a promotion would have now. Moves no alias."""
        request = promotion_request(alias=alias, gates=list(gates) or None)
        reply = self._transport.request(
            "POST",
            path_of("models", name, version, "evaluate"),
            body=json_body(request),
            headers={"Content-Type": JSON},
            patience=SLOW_SECONDS,
            repeatable=True,
        )
        return cast(GateReport, reply.object("passed", "gates"))

    def verdict(self, name: str, version: Reference, *, alias: str | None = None) -> Verdict:
        """The last result of ``evaluate`` without additional gates.

        Raises ProblemReply with status 404 if there is none, or if the alias, the policy or the
        holdout has changed since.
        """
        reply = self._transport.request(
            "GET",
            path_of("models", name, version, "verdict"),
            query=None if alias is None else {"alias": alias},
        )
        return cast(Verdict, reply.object("passed", "gates"))

    def policy(self, name: str) -> Policy:
        """The gates of every promotion of a model."""
        return cast(Policy, self._get(path_of("models", name, "policy"), "gates"))

    def set_policy(self, name: str, gates: Sequence[str]) -> Policy:
        """Replace the gates of a model's promotions."""
        reply = self._transport.request(
            "PUT",
            path_of("models", name, "policy"),
            body=json_body({"gates": list(gates)}),
            headers={"Content-Type": JSON},
        )
        return cast(Policy, reply.object("gates"))

    def _move(
        self, path: str, request: Mapping[str, Any], idempotency_key: str | None
    ) -> Promotion:
        headers = {"Content-Type": JSON, **with_key(idempotency_key)}
        reply = self._transport.request(
            "POST", path, body=json_body(request), headers=headers, patience=SLOW_SECONDS
        )
        return cast(Promotion, reply.object("model", "alias", "version"))
