"""Holdouts."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from hotswap.errors import UnsupportedFormat
from hotswap.holdouts import PARQUET, HoldoutData, holdout_body
from hotswap.operations.service import SLOW_SECONDS, Service
from hotswap.pages import all_items
from hotswap.replies import Holdout
from hotswap.transport import path_of


class Holdouts(Service):
    """The data that the registry measures promotions on."""

    def holdout(self, name: str) -> Holdout:
        """The holdout data on which promotions of a model are measured."""
        return cast(Holdout, self._get(path_of("models", name, "holdout"), "sha256"))

    def holdouts(self, name: str) -> Iterator[Holdout]:
        """Every holdout that the model has had, newest first."""
        return all_items(self._transport, path_of("models", name, "holdout"), {"history": "true"})

    def set_holdout(self, name: str, data: HoldoutData, *, target: str | None = None) -> Holdout:
        """Measure promotions of a model on ``data`` from now on: a CSV or Parquet file, or a
        DataFrame. ``target`` is the column to predict, by default that of the model's signature.

        Raises OSError if the file cannot be read, ValueError for an unknown ending.
        """
        content, content_type = holdout_body(data, parquet=self._reads_arrow)
        try:
            reply = self._transport.request(
                "PUT",
                path_of("models", name, "holdout"),
                query=None if target is None else {"target": target},
                body=content,
                headers={"Content-Type": content_type},
                patience=SLOW_SECONDS,
            )
        except UnsupportedFormat:
            if isinstance(data, Path) or content_type != PARQUET:
                raise
            self._reads_arrow = False
            return self.set_holdout(name, data, target=target)
        return cast(Holdout, reply.object("sha256"))

    def delete_holdout(self, name: str) -> None:
        """Remove the holdout of a model."""
        self._transport.request("DELETE", path_of("models", name, "holdout"))
