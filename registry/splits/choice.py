"""Chooses the version of a split that answers a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from registry.splits.buckets import BUCKETS, Ranges
from registry.splits.key_places import KeyPlaces, first_half, key_places, keyed_hash

SplitBy = Literal["header", "token", "random"]
SPLIT_BY: tuple[SplitBy, ...] = get_args(SplitBy)
"""What the key of a request is: its X-Request-Key, the id of its token, or its request id."""
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Split:
    """The versions of an alias, by number, with their buckets; only ``places`` ever changes.

    ``salt``: 16 random bytes, so that the keys of one split are spread independently of another's.
    A bucket that no version has belongs to the lowest number.
    """

    by: SplitBy
    salt: bytes
    ranges: Mapping[int, Ranges]
    numbers: tuple[int, ...] = field(init=False, compare=False)
    """The versions, ascending."""
    owners: bytes = field(init=False, compare=False, repr=False)
    """For each bucket, the place in ``numbers`` of the version that has it."""
    places: KeyPlaces = field(init=False, compare=False, repr=False)
    """Chooses the versions, and has the hashes of their keys until they are counted."""

    def __post_init__(self) -> None:
        numbers = tuple(sorted(self.ranges))
        owners = bytearray(BUCKETS)
        for place, number in enumerate(numbers):
            for start, end in self.ranges[number]:
                owners[start:end] = bytes([place]) * (end - start)
        object.__setattr__(self, "numbers", numbers)
        object.__setattr__(self, "owners", bytes(owners))
        object.__setattr__(self, "places", key_places(self.salt, self.owners))

    def place_of(self, key: bytes) -> int:
        """The place in ``numbers`` of the version that answers requests with ``key``."""
        return self.owners[bucket_of(key, self.salt)]

    def number_of(self, key: bytes) -> int:
        """The version that answers requests with ``key``."""
        return self.numbers[self.place_of(key)]


def bucket_of(key: bytes, salt: bytes) -> int:
    """The bucket of ``key``: the first 8 bytes of its keyed BLAKE2b hash as a little-endian number,
    modulo the number of buckets.

    Not a CRC, which takes less time: it is linear, so that two splits with salts of the same length
    would not be independent, and neighbouring keys not spread evenly.
    """
    hashed = keyed_hash(salt)
    hashed.update(key)
    half: int = first_half(hashed.digest())[0]
    return half % BUCKETS
