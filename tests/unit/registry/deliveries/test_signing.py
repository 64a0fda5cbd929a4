"""Signatures of messages, and the secrets that they are made with."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from registry.deliveries.signing import SigningKey, secret_text, signed_headers

KEY = SigningKey(bytes(range(32)))
SALT = bytes(16)


def test_the_signature_is_that_of_the_specification():
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

    headers = signed_headers(
        [secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(body=st.binary(max_size=300), position=st.integers(min_value=0), bit=st.integers(0, 6))
def test_the_library_of_the_standard_verifies_messages_and_no_changed_ones(body, position, bit):
    message = b'"' + base64.b64encode(body) + b'"'
    secret = KEY.secret(SALT, 0)
    headers = signed_headers([secret], "msg_1", _now(), message)
    receiver = Webhook(secret_text(secret))

    assert receiver.verify(message, headers) == message[1:-1].decode()
    with pytest.raises(WebhookVerificationError):
        receiver.verify(_flipped(message, position, bit), headers)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp"])
def test_the_id_and_the_time_are_signed(name):
    secret = KEY.secret(SALT, 0)
    headers = signed_headers([secret], "msg_1", _now(), b"{}")
    other = {"webhook-id": "msg_2", "webhook-timestamp": str(_now() - 1)}[name]

    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(secret)).verify(b"{}", {**headers, name: other})


def test_after_a_rotation_receivers_with_either_secret_verify_the_message():
    old, new = KEY.secret(SALT, 0), KEY.secret(SALT, 1)

    headers = signed_headers([new, old], "msg_1", _now(), b"{}")

    for secret in (old, new):
        assert Webhook(secret_text(secret)).verify(b"{}", headers) == {}
    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(KEY.secret(SALT, 2))).verify(b"{}", headers)


def test_secrets_differ_by_key_webhook_and_rotation():
    secrets = {
        KEY.secret(SALT, 0),
        KEY.secret(SALT, 1),
        KEY.secret(b"\1" * 16, 0),
        SigningKey(b"\1" * 32).secret(SALT, 0),
    }

    assert len(secrets) == 4
    assert {len(secret) for secret in secrets} == {32}
    assert KEY.secret(SALT, 1) == SigningKey(bytes(range(32))).secret(SALT, 1)


def test_the_representation_of_a_key_does_not_contain_it():
    shown = repr(KEY)

    assert KEY.fingerprint in shown
    assert KEY.fingerprint != SigningKey(b"\1" * 32).fingerprint
    assert KEY.value.hex()[:8] not in shown
    assert repr(KEY.value)[2:10] not in shown


def _now():
    return int(datetime.now(UTC).timestamp())


def _flipped(message, position, bit):
    changed = bytearray(message)
    changed[position % len(message)] ^= 1 << bit
    return bytes(changed)
