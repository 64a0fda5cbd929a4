"""Splits of aliases."""

from collections.abc import Mapping, Sequence
from typing import cast

from hotswap.operations.service import JSON, SLOW_SECONDS, Service
from hotswap.replies import Promotion, Split
from hotswap.requested import json_body, promotion_request, with_key
from hotswap.transport import path_of

PRODUCTION = "production"


class Splits(Service):
    """Which versions answer under an alias that several answer."""

    def split(
        self,
        name: str,
        weights: Mapping[int, float],
        *,
        alias: str = PRODUCTION,
        by: str | None = None,
        reason: str | None = None,
        expected_version: int | None = None,
        expected_generation: int | None = None,
        gates: Sequence[str] = (),
        force: bool = False,
        idempotency_key: str | None = None,
    ) -> Split:
        """Split ``alias`` over versions, or change the weights; returns when they hold.

        ``weights`` are percentages by version with at most two decimals. They add up to 100, and
        the version that the alias points at, its champion, is one of them. ``by`` says what the
        version of a request is chosen by: ``header`` (X-Request-Key), ``token`` or ``random``;
        None: as at present, or ``header``.

        ``expected_version`` and ``expected_generation`` are those of ``promote``, and so are
        ``gates``, which each new version must pass besides those of the model's policy. Raises
        ``problems.SplitRefused`` for weights that cannot be, and ``problems.GateFailed``.
        """
        request = promotion_request(
            weights={str(version): weight for version, weight in weights.items()},
            by=by,
            reason=reason,
            expected_version=expected_version,
            expected_generation=expected_generation,
            gates=list(gates) or None,
            force=force or None,
        )
        reply = self._transport.request(
            "PUT",
            _path(name, alias),
            body=json_body(request),
            headers={"Content-Type": JSON, **with_key(idempotency_key)},
            patience=SLOW_SECONDS,
        )
        return cast(Split, reply.object("version", "arms"))

    def get_split(self, name: str, alias: str = PRODUCTION) -> Split:
        """The split of an alias. Raises ``problems.SplitNotFound`` if it is not split."""
        return cast(Split, self._get(_path(name, alias), "version", "arms"))

    def end_split(
        self,
        name: str,
        *,
        alias: str = PRODUCTION,
        reason: str | None = None,
        expected_generation: int | None = None,
        idempotency_key: str | None = None,
    ) -> Promotion:
        """End a split: the version that the alias points at answers all requests.

        Raises ``problems.SplitNotFound`` if the alias is not split.
        """
        query = promotion_request(reason=reason, expected_generation=expected_generation)
        reply = self._transport.request(
            "DELETE", _path(name, alias), query=query, headers=with_key(idempotency_key)
        )
        return cast(Promotion, reply.object("model", "alias", "version"))


def _path(name: str, alias: str) -> str:
    return path_of("models", name, "aliases", alias, "split")
