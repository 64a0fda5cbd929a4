"""The compiled and the Python form of what chooses versions by keys are the same."""

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.splits.key_places import LONGEST_KEY, MOST_HASHED, PythonKeyPlaces, key_places

KeyPlaces = pytest.importorskip(
    "registry.splits.key_kernel", reason="there is no C compiler"
).KeyPlaces
SALT = bytes(range(100, 116))
OWNERS = random.Random(1).randbytes(10_000)

both = pytest.mark.parametrize("form", [KeyPlaces, PythonKeyPlaces])


def test_the_compiled_form_is_used_where_it_was_built():
    assert isinstance(key_places(SALT, OWNERS), KeyPlaces)


@given(st.binary(min_size=16, max_size=16), st.text(max_size=300))
def test_both_forms_choose_alike(salt, key):
    compiled, python = KeyPlaces(salt, OWNERS), PythonKeyPlaces(salt, OWNERS)

    assert compiled.place_of(key) == python.place_of(key)
    assert compiled.take() == python.take()


@both
@pytest.mark.parametrize("size", range(1, LONGEST_KEY + 1))
def test_a_key_of_each_length_is_hashed_by_the_library(form, size):
    key = "".join(chr(33 + (7 * place + size) % 90) for place in range(size))
    places = form(SALT, OWNERS)
    expected = hashlib.blake2b(key.encode(), key=SALT, digest_size=16).digest()

    place = places.place_of(key)

    assert places.take() == expected
    assert place == OWNERS[int.from_bytes(expected[:8], "little") % len(OWNERS)]


@both
@pytest.mark.parametrize("key", ["", "k" * (LONGEST_KEY + 1), "ä", "k\udc80", "k" * 255 + "ä"])
def test_a_key_that_is_not_accepted_has_no_place_and_no_hash(form, key):
    places = form(SALT, OWNERS)

    assert places.place_of(key) == -1
    assert places.take() == b""


@both
def test_hashes_are_taken_once_and_in_their_order(form):
    places = form(SALT, OWNERS)
    hashes = [hashlib.blake2b(b"%d" % key, key=SALT, digest_size=16).digest() for key in range(999)]
    for key in range(999):
        places.place_of(str(key))

    assert places.take() == b"".join(hashes)
    assert places.take() == b""


@both
def test_hashes_that_nobody_takes_need_limited_memory(form):
    places = form(SALT, OWNERS)
    for key in range(MOST_HASHED + 10):
        places.place_of(str(key))

    assert len(places.take()) == MOST_HASHED * 16


@pytest.mark.parametrize(("salt", "owners"), [(b"short", b"\0"), (SALT, b"")])
def test_a_salt_of_another_size_and_no_buckets_are_refused(salt, owners):
    with pytest.raises(ValueError, match="buckets"):
        KeyPlaces(salt, owners)
