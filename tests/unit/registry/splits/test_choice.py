"""A key has the same version as long as its split lasts, whoever asks."""

import hashlib
import math

import pytest

from registry.splits.buckets import first_ranges
from registry.splits.choice import Split, bucket_of

SALT = bytes(range(16))
OTHER_SALT = bytes(range(16, 32))
KEYS = 50_000


def split(weights, salt=SALT, by="header"):
    return Split(by, salt, first_ranges(weights))


def test_the_bucket_of_a_key_follows_the_rule_of_the_documentation():
    digest = hashlib.blake2b(b"customer-7", key=SALT, digest_size=16).digest()
    first_half = sum(byte << 8 * place for place, byte in enumerate(digest[:8]))

    assert bucket_of(b"customer-7", SALT) == first_half % 10_000


@pytest.mark.parametrize(
    ("key", "bucket"),
    [(b"customer-7", 7093), (b"a", 4068), (b"0123456789" * 25, 9515)],
)
def test_buckets_are_the_same_in_every_release(key, bucket):
    assert bucket_of(key, SALT) == bucket


def test_the_owner_of_its_bucket_is_the_version_of_a_key():
    made = split({2: 1000, 3: 5000, 5: 4000})
    owners = [2] * 1000 + [3] * 5000 + [5] * 4000

    for number in range(1000):
        key = f"key-{number}".encode()
        assert made.number_of(key) == owners[bucket_of(key, SALT)]


def test_each_version_has_its_share_of_the_keys():
    made = split({3: 9000, 4: 1000})

    canary = sum(made.number_of(f"{number}".encode()) == 4 for number in range(KEYS))

    assert abs(canary - KEYS * 0.1) < 4 * math.sqrt(KEYS * 0.1 * 0.9)


def test_splits_with_other_salts_choose_independently():
    first, second = split({3: 9000, 4: 1000}), split({3: 9000, 4: 1000}, OTHER_SALT)
    keys = [f"{number}".encode() for number in range(KEYS)]

    both = sum(first.number_of(key) == second.number_of(key) == 4 for key in keys)

    assert abs(both - KEYS * 0.01) < 4 * math.sqrt(KEYS * 0.01 * 0.99)


def test_a_version_without_buckets_is_never_chosen():
    made = split({3: 0, 4: 10_000})

    assert made.numbers == (3, 4)
    assert {made.number_of(f"{number}".encode()) for number in range(2000)} == {4}


def test_splits_with_the_same_state_are_equal():
    assert split({3: 9000, 4: 1000}) == split({3: 9000, 4: 1000})
    assert split({3: 9000, 4: 1000}) != split({3: 8999, 4: 1001})
    assert split({3: 9000, 4: 1000}) != split({3: 9000, 4: 1000}, OTHER_SALT)
    assert split({3: 9000, 4: 1000}) != split({3: 9000, 4: 1000}, by="random")
