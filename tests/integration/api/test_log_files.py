"""Configured logs: their format, and a file that several workers share."""

import json
import logging
import re
import threading

import pytest

from api.log_file import LogFile
from api.logs import configure_logs
from config import SettingInvalid, Settings

LONG = "x" * 50_000
"""Longer than the buffer of a file, and than what a pipe takes at once."""
WRITERS, ENTRIES = 3, 60


@pytest.fixture
def configure():
    """Configures the logs of this process, until the test ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def configure(**settings):
        configure_logs(Settings(**settings))
        (handler,) = root.handlers
        made.append(handler)
        return handler

    made: list[logging.Handler] = []
    yield configure
    for handler in made:
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def log(message: str = "something happened", **extra: object) -> None:
    logging.getLogger("api.tests").warning(message, extra=extra)


def test_a_file_gets_json_lines(configure, tmp_path):
    file = tmp_path / "hotswap.log"
    file.write_text("what was there\n")
    configure(log_file=str(file))

    log(status=200)

    before, line = file.read_text().splitlines()
    assert before == "what was there"
    fields = json.loads(line)
    assert (fields["event"], fields["level"], fields["status"]) == (
        "something happened",
        "warning",
        200,
    )


def test_text_has_no_colours_in_a_file(configure, tmp_path):
    file = tmp_path / "hotswap.log"
    configure(log_file=str(file), log_format="text")

    log(status=200)

    assert re.fullmatch(
        r"\d{4}-\S+ \[warning\s*\] something happened +\[api.tests\] status=200\n", file.read_text()
    )


def test_only_known_fields_are_logged(configure, capsys):
    configure()

    log(status=200, body="0.1,0.2")

    fields = json.loads(capsys.readouterr().err)
    assert list(fields) == ["status", "event", "level", "logger", "timestamp"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", fields["timestamp"])


def test_standard_error_gets_json_unless_it_is_a_terminal_or_text_is_wanted(configure, capsys):
    configure()
    log()
    configure(log_format="text")
    log()

    structured, text = capsys.readouterr().err.splitlines()
    assert json.loads(structured)["event"] == "something happened"
    assert "[warning" in text


def test_a_file_that_cannot_be_opened_is_refused_with_the_setting_s_name(configure, tmp_path):
    with pytest.raises(SettingInvalid, match=r"HOTSWAP_LOG_FILE .*no/such\.log: No such file"):
        configure(log_file=str(tmp_path / "no" / "such.log"))


def test_a_file_that_was_moved_is_made_again(configure, tmp_path):
    file, rotated = tmp_path / "hotswap.log", tmp_path / "hotswap.log.1"
    configure(log_file=str(file))

    log("before")
    file.rename(rotated)
    log("after")
    file.unlink()
    log("and again")

    assert [json.loads(line)["event"] for line in rotated.read_text().splitlines()] == ["before"]
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["and again"]


def test_entries_go_to_standard_error_while_the_file_cannot_be_written(configure, tmp_path, capsys):
    folder = tmp_path / "log"
    folder.mkdir()
    file = folder / "hotswap.log"
    configure(log_file=str(file))
    file.unlink()
    folder.rmdir()

    log("lost")
    log("lost too")
    folder.mkdir()
    log("kept")

    printed = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert printed == ["lost", "lost too"]
    assert [json.loads(line)["event"] for line in file.read_text().splitlines()] == ["kept"]


def test_entries_go_to_standard_error_when_the_disk_is_full(configure, capsys):
    configure(log_file="/dev/full")

    log("lost")

    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["event"] == "lost"


def test_entries_of_several_writers_do_not_mix(tmp_path):
    """Each has opened the file by itself, as the workers have."""
    file = tmp_path / "hotswap.log"
    handlers = [LogFile(file) for _ in range(WRITERS)]

    def append(handler):
        for _ in range(ENTRIES):
            handler.emit(logging.makeLogRecord({"msg": LONG}))

    threads = [threading.Thread(target=append, args=(handler,)) for handler in handlers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for handler in handlers:
        handler.close()

    assert file.read_text().splitlines() == [LONG] * (WRITERS * ENTRIES)
