"""Spans of a real service, which the operator's SDK exports."""

import re
import shlex
from pathlib import Path

import pytest

from tests.system.real_server import BIN, ROOT, free_port, running, wait_until

pytestmark = pytest.mark.slow  # integration/api/test_traces.py has what a span contains

CONSOLE = {"OTEL_TRACES_EXPORTER": "console", "OTEL_BSP_SCHEDULE_DELAY": "100"}
NO_OTHERS = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


def test_the_documented_command_exports_a_span_for_each_prediction(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "logs.md").read_text()
    (line,) = re.findall(r"^    (HOTSWAP_TRACES=1 .*)$", page, re.MULTILINE)
    words = shlex.split(line)
    command = [word for word in words if "=" not in word]
    settings = dict(word.split("=", 1) for word in words if "=" in word)
    assert command == ["hotswap", "serve"]

    serve = [BIN / command[0], *command[1:], "--workers", "1"]
    variables = {**settings, **CONSOLE, **NO_OTHERS}
    with running(serve, tmp_path / "data", free_port(), **variables) as server:
        answer = server.call("POST", "/models/nobody/predict", json={"x": 1})
        assert answer.status_code == 404
        request_id = answer.json()["request_id"]

        wait_until(lambda: request_id in server.log.read_text(), "no span was exported")
        log = server.log.read_text()

    assert '"name": "predict"' in log
    assert '"service.name": "hotswap"' in log
