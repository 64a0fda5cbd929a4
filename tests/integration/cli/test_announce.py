"""What ``hotswap serve`` prints of the console when it is ready."""

from pathlib import Path

import pytest

from cli.announce import console_lines
from config import Settings
from registry.storage.sign_in_codes import SignInCodes
from registry.storage.tables import utc_now


def test_a_link_that_signs_in_is_printed_first(tmp_path: Path) -> None:
    lines = console_lines(Settings(data=tmp_path, port=8123), "digest")

    link = next(line.strip() for line in lines if line.strip().startswith("http"))
    address, _, code = link.partition("#")
    assert address == "http://127.0.0.1:8123/console/link"
    assert SignInCodes(tmp_path / "run").use(code, utc_now()) == "digest"


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        ({"host": "0.0.0.0"}, "http://127.0.0.1:8000/console"),  # noqa: S104 - nothing listens
        ({"host": "10.0.0.7"}, "http://10.0.0.7:8000/console"),
        ({"public_url": "https://m.example.com/ml"}, "https://m.example.com/ml/console"),
        ({"trusted_proxies": "1"}, "http://127.0.0.1:8000/console"),
        ({"console_hours": 0}, "http://127.0.0.1:8000/console"),
    ],
    ids=str,
)
def test_where_links_do_not_sign_in_the_address_is_printed(
    tmp_path: Path, settings: dict[str, object], address: str
) -> None:
    lines = console_lines(Settings(data=tmp_path, **settings), "digest")

    assert lines == [f"The console is at {address}"]
    assert list(tmp_path.iterdir()) == []


def test_without_an_admin_token_there_is_no_link(tmp_path: Path) -> None:
    assert console_lines(Settings(data=tmp_path), None) == [
        "The console is at http://127.0.0.1:8000/console"
    ]


@pytest.mark.parametrize("settings", [{"console": False}, {"uds": "/run/http.sock"}], ids=str)
def test_without_a_console_nothing_is_printed_of_it(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    assert console_lines(Settings(data=tmp_path, **settings), "digest") == []


def test_where_no_code_can_be_stored_the_address_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("a file, where a folder is needed")

    lines = console_lines(Settings(data=tmp_path), "digest")

    assert lines == ["The console is at http://127.0.0.1:8000/console"]
    assert "there is no link that signs in" in capsys.readouterr().err
