"""The warnings of ``hotswap serve`` when other machines can connect."""

import pytest

from cli.serve import warnings_for
from config import Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104 - nothing listens in these tests


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.10"])
def test_a_service_on_loopback_does_not_warn(host: str) -> None:
    assert warnings_for(Settings(host=host, anonymous_predict=True), 1) == []


def test_a_service_on_a_unix_socket_does_not_warn() -> None:
    settings = Settings(uds="/run/http.sock", host=EVERYWHERE, anonymous_predict=True)

    assert warnings_for(settings, 1) == []


@pytest.mark.parametrize("host", [EVERYWHERE, "::", "10.0.0.7", "models.example.com"])
def test_anonymous_predictions_are_warned_of(host: str) -> None:
    (warning,) = warnings_for(Settings(host=host, anonymous_predict=True), None)

    assert "HOTSWAP_ANONYMOUS_PREDICT" in warning


def test_the_first_admin_token_is_warned_of_with_the_command_to_replace_it() -> None:
    (warning,) = warnings_for(Settings(host=EVERYWHERE), 7)

    assert "hotswap tokens rotate 7" in warning


def test_a_secure_service_does_not_warn() -> None:
    assert warnings_for(Settings(host=EVERYWHERE), None) == []
