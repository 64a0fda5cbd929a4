"""A second implementation of docs/splits.md's rule: which version of a split answers a key.

Written from the description alone, and kept apart from ``registry.splits``, which it checks.
"""

import hashlib
from collections.abc import Iterable, Mapping

BUCKETS = 10_000


def bucket_of(key: bytes, salt: bytes) -> int:
    """The bucket of a key: the first 8 bytes, little endian, of its BLAKE2b of 16 bytes keyed with
    the split's salt, modulo 10,000."""
    digest = hashlib.blake2b(key, digest_size=16, key=salt).digest()
    return sum(byte << 8 * place for place, byte in enumerate(digest[:8])) % BUCKETS


class Buckets:
    """The version of each bucket of a split; ``owners`` are those before it gets ``weights``."""

    def __init__(
        self, weights: Mapping[int, float], owners: Iterable[int | None] = (None,) * BUCKETS
    ) -> None:
        self.owners = list(owners)
        self.change(weights)

    def change(self, weights: Mapping[int, float]) -> None:
        """Give the split other weights, in percent. A version that shrinks gives its highest
        buckets away; one that grows takes the lowest free ones, the lowest number first."""
        wanted = {number: round(weight * 100) for number, weight in weights.items()}
        for number in {owner for owner in self.owners if owner is not None}:
            mine = [place for place, owner in enumerate(self.owners) if owner == number]
            for place in mine[wanted.get(number, 0) :]:
                self.owners[place] = None
        for number in sorted(wanted):
            missing = wanted[number] - self.owners.count(number)
            free = (place for place, owner in enumerate(self.owners) if owner is None)
            for place in [place for place, _ in zip(free, range(missing), strict=False)]:
                self.owners[place] = number

    def versions_of(self, keys: Iterable[bytes], salt: bytes) -> list[int | None]:
        """The version that answers each of the keys."""
        return [self.owners[bucket_of(key, salt)] for key in keys]
