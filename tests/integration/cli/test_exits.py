"""Exit codes, and the messages on stderr when something fails."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import main
from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import HSW, Answer, FakeService, problem
from tests.marks import each_once

COMMAND = [sys.executable, "-m", "tests.integration.cli.run_hotswap"]


def environment(service: FakeService) -> dict[str, str]:
    """The environment of a process that is to speak with ``service``."""
    return {**os.environ, "HOTSWAP_URL": service.url, "HOTSWAP_TOKEN": HSW}


def test_a_refused_connection_exits_3_and_names_the_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    result = CliRunner().invoke(main, ["models", "--json", "--url", url])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert url in result.stderr
    assert "HOTSWAP_URL" in result.stderr


def test_a_refusal_exits_1_and_prints_the_faults_and_the_request_id(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.add_version("housing")
    faults = [
        {"at": "rooms", "message": "must be a number"},
        {"at": "zip", "message": "is missing"},
    ]
    refusal = problem(422, "input-refused", "The record does not fit.", errors=faults)
    service.script("POST", "/models/housing/1/predict", refusal)
    result = hotswap("predict", "housing/1", "rooms=many")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.splitlines() == [
        "Error: The record does not fit.",
        "  rooms: must be a number",
        "  zip: is missing",
        "Request id: req-1",
    ]


def test_a_missing_token_exits_1_and_names_the_setting(hotswap: Hotswap) -> None:
    result = hotswap("models", token="hsw_wrong")
    assert result.exit_code == 1
    assert "HOTSWAP_TOKEN" in result.stderr


def test_options_override_the_environment_for_token_and_url(
    service: FakeService,
) -> None:
    runner = CliRunner(env={"HOTSWAP_URL": "http://127.0.0.1:1", "HOTSWAP_TOKEN": "hsw_wrong"})
    result = runner.invoke(main, ["models", "--json", "--url", service.url, "--token", HSW])
    assert (result.exit_code, result.stdout) == (0, "[]\n")


def test_a_busy_service_exits_1_and_prints_when_to_retry(
    hotswap: Hotswap, service: FakeService
) -> None:
    busy = problem(503, "database-busy", "The database is locked by another writer.")
    service.script("GET", "/models", Answer(503, busy.content, {"Retry-After": "7"}))
    result = hotswap("models")
    assert result.exit_code == 1
    assert "Try again in 7 s." in result.stderr


def test_another_server_at_the_address_exits_1(hotswap: Hotswap, service: FakeService) -> None:
    page = Answer(200, b"<html>It works!</html>", {"Content-Type": "text/html"})
    service.script("GET", "/models", page)
    result = hotswap("models")
    assert result.exit_code == 1
    assert "not in the format of the service" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-verb"],
        ["models", "--no-such-option"],
        ["models", "--url", "localhost:8000"],
        ["models", "--token", "two words"],
        ["models", "--tag", "no-sign"],
        ["show", "../etc/passwd"],
        ["show", "housing/aliases"],
        ["versions", "."],
        ["versions", "x" * 10_000],
        ["promote", "housing", "-1"],
        ["promote", "housing", "3", "--alias", "latest"],
        ["promote", "housing", "3", "--expected-version", "two"],
        ["rollback", "housing", "--to-version", "0"],
        ["history", "--from", "yesterday"],
        ["history", "--verify", "--actor", "ci"],
        ["history", "housing", "--head"],
        ["history", "housing", "--anchor", "1:ab"],
        ["history", "housing", "--verify"],
        ["history", "--verify", "--anchor", "1:ab"],
        ["predict", "housing"],
        ["predict", "housing", "rooms"],
        ["predict", "housing", "rooms=1", "rooms=2"],
        ["predict", "housing", "rooms=1", "--data", "-"],
        ["predict", "housing", "--data", "rows.xlsx"],
        ["predict", "housing", "--data", "no-such.csv"],
        ["upload", "housing", "no-such.skops"],
        ["models", "--query", "\udcff"],
        ["promote", "housing", "3", "--idempotency-key", "ü"],
        ["tokens", "revoke", ".."],
        ["tokens", "create", "ci"],
        ["tokens", "create", "ci", "--scope", "root"],
        ["tokens", "create", "ci", "--scope", "upload", "--expires", "soon"],
        ["train"],
        ["train", "a.csv", "--kind", "linear"],
        ["train", "a.csv", "--target", "y"],
        ["train", "a.csv", "--target", "y", "--kind", "linear"],
        ["train", "a.csv", "--target", "y", "--kind", "linear", "--name", "a/b"],
        ["train", "sklearn:iris", "--kind", "tree", "--name", "a", "--test-size", "1"],
        ["train", "sklearn:iris", "--kind", "tree", "--name", "a", "--reason", "why"],
        ["train", "sklearn:iris", "--kind", "tree", "--out", "x", "--promote"],
        ["train", "sklearn:iris", "--kind", "tree", "--name", "a", "--param", "depth"],
    ],
)
def test_wrong_usage_exits_2_and_sends_nothing(
    hotswap: Hotswap, service: FakeService, arguments: list[str]
) -> None:
    result = hotswap(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert service.requests == []


def test_control_characters_from_the_service_are_escaped(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.script("GET", "/models", problem(409, "x", "evil \x1b[2J\r\ntext"))
    service.add_version("housing", description="evil \x1b]0;title\x07")
    assert "\x1b" not in hotswap("models").stderr
    shown = hotswap("show", "housing/1")
    assert "\\x1b]0;title\\x07" in shown.stdout


@pytest.mark.parametrize(("versions", "unbuffered"), each_once([1, 400], ["", "1"]))
def test_a_closed_pipe_is_not_an_error(
    service: FakeService, versions: int, unbuffered: str
) -> None:
    for _ in range(versions):
        service.add_version("housing")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "versions", "housing", "--json"],
        env={**environment(service), "PYTHONUNBUFFERED": unbuffered},
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.stderr, done.returncode) == (b"", 141)


def test_a_reader_that_stops_early_is_not_an_error(service: FakeService) -> None:
    for _ in range(400):
        service.add_version("housing")
    process = subprocess.Popen(
        [*COMMAND, "versions", "housing", "--json"],
        env=environment(service),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr as stderr:
        assert stderr.read() == b""
    assert process.wait(10) == 141


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_for_stdout_is_an_error(service: FakeService, unbuffered: str) -> None:
    service.add_version("housing")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "versions", "housing", "--json"],
            env={**environment(service), "PYTHONUNBUFFERED": unbuffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == "Error: No space left on device\n"
    assert done.returncode == 2


def test_ctrl_c_ends_a_command_without_a_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [*COMMAND, "models", "--url", url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        timer = threading.Timer(10, process.kill)
        timer.start()
        connection, _ = listener.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            output = process.communicate()
        timer.cancel()
    assert output == (b"", b"")
    assert process.returncode == 130
