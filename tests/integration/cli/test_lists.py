"""``models``, ``versions``, ``show`` and ``history``: plain into a pipe, tables on a terminal."""

import json
import os
import pty
import subprocess

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService, problem
from tests.integration.cli.test_exits import COMMAND, environment


def event(seq: int) -> dict[str, object]:
    return {
        "seq": seq,
        "at": "2026-11-21T06:00:00Z",
        "type": "promoted",
        "actor": "ci",
        "reason": None,
        "alias": "production",
        "from_version": None,
        "to_version": 1,
        "hash": "ab" * 32,
    }


def test_models_are_printed_as_plain_aligned_lines_in_a_pipe(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.add_version("housing")
    service.add_version("x")
    service.aliases["housing"] = {"production": 1, "canary": 1}
    assert hotswap("models").stdout.splitlines() == [
        "MODEL    LAST VERSION  ALIASES                 TAGS  DESCRIPTION",
        "housing             1  production=1, canary=1  -     -",
        "x                   1  -                       -     -",
    ]


def test_models_are_printed_with_what_is_live(hotswap: Hotswap, service: FakeService) -> None:
    moved = {"since": "2026-11-21T06:00:00Z", "by": "ann", "reason": None, "rollback_to": 1}
    live = {"alias": "production", "version": 2, "kind": "tree", "metrics": {"rmse": 7.5}, **moved}
    live["metric_intervals"] = {"rmse": [7, 8.25]}
    items = [
        {"name": "housing", "live": [live], "newest_ready": 3},
        {"name": "new", "live": [], "newest_ready": None},
    ]
    page = {"items": items, "page": 1, "page_size": 200, "total": 2}
    service.script("GET", "/models", Answer(200, page))

    heading, housing, new = hotswap("models", "--live", "--sort=-updated").stdout.splitlines()

    assert heading.split()[:4] == ["MODEL", "ALIAS", "VERSION", "KIND"]
    assert housing.startswith(
        "housing  production        2  tree  rmse=7.5 (7 to 8.25)  2026-11-21"
    )
    assert housing.split()[-2:] == ["1", "3"]
    assert new.split() == ["new", *["-"] * 9]
    query = service.requests[0].query
    assert (query["sort"], query["include"]) == (["-updated"], ["live"])


def test_versions_are_printed_with_metrics_and_sizes(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.add_version("housing", aliases=["production"])
    line = hotswap("versions", "housing", "--sort", "-metrics.rmse", "--status", "ready")
    assert "rmse=48211.7, r2=0.82" in line.stdout
    assert "11.5 MB" in line.stdout
    assert "2026-11-21 06:00:00 UTC" in line.stdout
    assert service.requests[0].query["sort"] == ["-metrics.rmse"]
    assert service.requests[0].query["status"] == ["ready"]


def test_versions_are_printed_with_the_intervals_of_their_metrics(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.add_version("housing", metric_intervals={"rmse": [47000.5, 49000]}, baseline={})
    shown = hotswap("versions", "housing", "--intervals").stdout
    assert "rmse=48211.7 (47000.5 to 49000), r2=0.82" in shown
    assert service.requests[0].query["include"] == ["intervals"]


def test_versions_are_filtered_by_kind_and_tag(hotswap: Hotswap, service: FakeService) -> None:
    empty = {"items": [], "page": 1, "page_size": 200, "total": 0}
    service.script("GET", "/models/housing/versions", Answer(200, empty))
    result = hotswap("versions", "housing", "--kind", "forest", "--tag", "team=risk")
    assert "housing has no such versions." in result.stderr
    query = service.requests[0].query
    assert (query["kind"], query["tag"]) == (["forest"], ["team:risk"])


def test_an_empty_list_prints_nothing_to_stdout(hotswap: Hotswap) -> None:
    result = hotswap("models")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no models yet" in result.stderr


def test_show_prints_metrics_and_columns_of_a_version(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.add_version("housing")
    service.aliases["housing"] = {"production": 1}
    shown = hotswap("show", "housing/production").stdout
    assert "48211.7" in shown
    assert "zip     string   no" in shown
    assert "rooms   number   yes" in shown
    assert "price" in shown


def test_show_prints_why_a_faster_engine_is_not_used(
    hotswap: Hotswap, service: FakeService
) -> None:
    reason = "A faster engine is not used: PCA is no chain of steps."
    service.add_version("housing", engine={"name": "onnx", "reason": reason})
    assert reason in hotswap("show", "housing/1").stdout


def test_show_prints_the_aliases_of_a_model(hotswap: Hotswap, service: FakeService) -> None:
    service.add_version("housing")
    service.aliases["housing"] = {"production": 1}
    assert "production=1" in hotswap("show", "housing").stdout


def test_aliases_are_printed_with_their_last_move_and_what_a_rollback_goes_back_to(
    hotswap: Hotswap, service: FakeService
) -> None:
    moved = {"since": "2026-11-21T06:00:00Z", "by": "ann", "reason": "slow"}
    production = {"alias": "production", "version": 2, **moved, "rollback_to": 1, "trail": [1]}
    production |= {"forced": False, "rolled_back": True, "loaded_in": 1, "workers": 2}
    page = {"items": [production], "page": 1, "page_size": 1, "total": 1}
    service.script("GET", "/models/housing/aliases", Answer(200, page))
    service.script("GET", "/models/housing/aliases/production", Answer(200, production))

    assert hotswap("aliases", "housing").stdout.splitlines() == [
        "ALIAS       VERSION  SPLIT  SINCE                    BY   REASON  ROLL BACK TO  LOADED IN",
        "production        2  -      2026-11-21 06:00:00 UTC  ann  slow               1  "
        "1 of 2 workers",
    ]
    assert json.loads(hotswap("aliases", "housing", "--json").stdout) == [production]
    shown = hotswap("aliases", "housing", "production").stdout
    assert "rolled back  yes" in shown
    assert "loaded in    1 of 2 workers" in shown


def test_an_alias_is_printed_as_it_was_at_a_time(hotswap: Hotswap, service: FakeService) -> None:
    then = {"alias": "production", "version": 1, "since": "2026-11-01T06:00:00Z", "by": "ann"}
    then |= {"reason": None, "forced": True, "rolled_back": False, "until": None}
    service.script("GET", "/models/housing/aliases/production", Answer(200, then))

    shown = hotswap("aliases", "housing", "production", "--at", "2026-11-21T06:00").stdout

    assert "version      1" in shown
    assert "forced       yes" in shown
    assert "until        -" in shown
    assert service.requests[0].query == {"at": ["2026-11-21T06:00:00+00:00"]}
    assert hotswap("aliases", "housing", "--at", "2026-11-21").exit_code == 2
    wrong = hotswap("aliases", "housing", "production", "--at", "yesterday")
    assert (wrong.exit_code, "not a time such as" in wrong.stderr) == (2, True)


def test_show_prints_why_a_version_failed(hotswap: Hotswap, service: FakeService) -> None:
    service.add_version("housing", status="failed", failure="It could not be read.")
    assert "It could not be read." in hotswap("show", "housing/1").stdout


def test_history_requests_no_more_events_than_asked_for(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.add_version("housing")
    service.events = [event(seq) for seq in range(1, 402)]
    events = json.loads(hotswap("history", "housing", "--limit", "2", "--json").stdout)
    assert [found["seq"] for found in events] == [401, 400]
    assert len(service.requests) == 1
    assert len(hotswap("history", "housing").stdout.splitlines()) == 402


def test_the_history_of_all_models_is_selected_by_the_service(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.events = [{**event(1), "model": None}, {**event(2), "model": "housing"}]
    chosen = ("--type", "promoted", "--actor", "ci", "--from", "2026-11-01", "--alias", "canary")
    heading, newest, oldest = hotswap("history", "housing", *chosen).stdout.splitlines()
    assert heading.split()[:4] == ["SEQ", "AT", "TYPE", "MODEL"]
    assert "promoted  housing  production" in newest
    assert "promoted  -        production" in oldest
    (request,) = service.requests
    assert request.path == "/history"
    assert {name: value for name, (value,) in request.query.items()} == {
        "model": "housing",
        "type": "promoted",
        "actor": "ci",
        "alias": "canary",
        "from": "2026-11-01T00:00:00+00:00",
        "page_size": "200",
    }


def test_events_are_printed_as_they_happen(
    hotswap: Hotswap, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.follow.SECONDS", 0)
    service.events = [event(1)]

    def page(*seqs: int) -> Answer:
        items = [event(seq) for seq in seqs]
        return Answer(200, {"items": items, "page": 1, "page_size": 9, "total": 9})

    for answer in (page(1), page(2), page(2, 1)):
        service.script_next("GET", "/models/housing/history", answer)
    service.script("GET", "/models/housing/history", problem(404, "model-not-found", "Gone."))

    result = hotswap("follow", "housing")

    assert result.exit_code == 1
    assert result.stdout == ("2  2026-11-21 06:00:00 UTC  promoted  production  -  1  ci  -\n")


def test_the_end_of_the_history_is_printed_with_its_last_check(
    hotswap: Hotswap, service: FakeService
) -> None:
    checked = {"verified_seq": 8, "verified_at": "2026-11-21T06:00:00Z", "broken_seq": None}
    head = {"seq": 9, "hash": "ab" * 32, **checked}
    newer = {**head, "fully_verified_at": "2026-11-21T02:00:00Z"}
    never = {**head, "verified_seq": None, "verified_at": None}
    broken = {**head, "broken_seq": 9}
    for answer, said in (
        (never, "never"),
        (head, "intact up to event 8, 2026-11-21 06:00:00 UTC"),
        (newer, "06:00:00 UTC; all of it 2026-11-21 02:00:00 UTC"),
        (broken, "broken at event 9"),
    ):
        service.script("GET", "/history/head", Answer(200, answer))
        shown = hotswap("history", "--head").stdout
        assert f"9:{'ab' * 32}" in shown
        assert said in shown
    service.script("POST", "/history/verify", Answer(200, head))
    assert json.loads(hotswap("history", "--head", "--verify", "--json").stdout) == head


def test_every_list_can_be_printed_as_json(hotswap: Hotswap, service: FakeService) -> None:
    service.add_version("housing", description="Größe")
    for arguments in (["models"], ["versions", "housing"], ["show", "housing/1"]):
        result = hotswap(*arguments, "--json")
        assert json.loads(result.stdout)
        assert result.stderr == ""
    assert "Größe" in hotswap("show", "housing/1", "--json").stdout


def test_a_terminal_gets_a_table_without_interpreted_markup(service: FakeService) -> None:
    service.add_version("housing", created_by="[red]ci[/red]")
    ours, theirs = pty.openpty()
    subprocess.run(
        [*COMMAND, "versions", "housing"],
        env={**environment(service), "TERM": "xterm", "COLUMNS": "160"},
        stdout=theirs,
        check=True,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        output = terminal.read(65536).decode()
    assert "───" in output
    assert "[red]ci[/red]" in output
