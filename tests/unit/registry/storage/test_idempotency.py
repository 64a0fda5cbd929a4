"""Which keys a caller may send."""

import pytest

from registry.errors import IdempotencyKeyMalformed
from registry.operations.register import Metadata
from registry.storage.idempotency import Idempotency


@pytest.mark.parametrize("key", ["1", "x" * 200, "a b", "~!@#"])
def test_printable_ascii_is_a_key(key):
    assert Idempotency(1, key, "f").key == key


@pytest.mark.parametrize("key", ["", "x" * 201, "a\n", "\x00", "é", "\x7f"])
def test_anything_else_is_refused(key):
    with pytest.raises(IdempotencyKeyMalformed):
        Idempotency(1, key, "f")


def test_the_fingerprint_of_an_upload_is_of_all_that_was_sent():
    said = Metadata(format="skops", metrics={"a": 1.0, "b": 2.0})
    same = Metadata(metrics={"b": 2.0, "a": 1.0}, format="skops")

    assert said.fingerprint("m", "d") == same.fingerprint("m", "d")
    assert said.fingerprint("m", "d") != said.fingerprint("m", "e")
    assert said.fingerprint("m", "d") != said.fingerprint("n", "d")
    assert said.fingerprint("m", "d") != Metadata(format="skops").fingerprint("m", "d")
