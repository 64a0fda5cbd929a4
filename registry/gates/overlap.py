"""Counts the rows of a holdout that a version was trained on, by their hashes."""

from hotswap.evaluation.row_hashes import TrainingRows, row_hashes
from registry.blobs.store import BlobStore
from registry.codecs.batch import Batch
from registry.signature import Signature


class Overlap:
    """The rows that were added: ``rows`` in total, ``known`` of them among the training rows."""

    def __init__(self, trained: TrainingRows, signature: Signature, target: str) -> None:
        self._trained = trained
        self._types = {column.name: column.type for column in signature.inputs}
        self._target = target
        self.rows = self.known = 0

    def add(self, batch: Batch) -> None:
        """Count the rows of ``batch``, which has the columns of the signature and the target."""
        columns = [(name, type_, batch.columns[name]) for name, type_ in self._types.items()]
        target = batch.columns[self._target] if self._trained.has_target else None
        self.known += self._trained.known(row_hashes(columns, target))
        self.rows += batch.rows

    @property
    def by_chance(self) -> int:
        """How many rows at most would be known if the holdout was not trained on."""
        return self._trained.by_chance(self.rows)

    @property
    def described(self) -> str:
        """``1,204 of 4,000 rows of the holdout``."""
        return f"{self.known:,} of {self.rows:,} rows of the holdout"


def open_overlap(
    blobs: BlobStore, digest: str | None, signature: Signature, target: str
) -> Overlap | None:
    """An overlap without rows yet; None where ``digest`` is None: the version has no hashes.

    Raises BlobMissing, BlobDamaged, StorageUnavailable.
    """
    if digest is None:
        return None
    with blobs.open(digest) as file:
        return Overlap(TrainingRows.from_bytes(file.read()), signature, target)
