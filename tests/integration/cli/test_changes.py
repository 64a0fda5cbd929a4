"""``upload``, ``promote``, ``rollback`` and ``tokens``: their requests and their output."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Hotswap
from tests.integration.cli.fake_service import Answer, FakeService, multipart, problem


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    file = tmp_path / "model.skops"
    file.write_bytes(b"the model")
    return file


def test_upload_sends_the_file_and_options_override_metadata(
    hotswap: Hotswap, service: FakeService, artifact: Path, tmp_path: Path
) -> None:
    given = {"kind": "tree", "metrics": {"r2": 0.5}, "tags": {"a": "1", "b": "2"}}
    (tmp_path / "metadata.json").write_text(json.dumps(given))
    result = hotswap(
        *("upload", "housing", str(artifact)),
        *("--metadata", str(tmp_path / "metadata.json"), "--kind", "forest"),
        *("--description", "new", "--tag", "b=3", "--idempotency-key", "k"),
    )
    assert result.exit_code == 0
    assert "version 1" in result.stdout
    (received,) = service.requests
    parts = multipart(received)
    assert parts["artifact"] == ("model.skops", b"the model")
    assert json.loads(parts["metadata"][1]) == {
        "kind": "forest",
        "metrics": {"r2": 0.5},
        "tags": {"a": "1", "b": "3"},
        "description": "new",
    }
    assert received.headers["Idempotency-Key"] == "k"


def test_upload_reads_metadata_from_stdin_and_prints_json(hotswap: Hotswap, artifact: Path) -> None:
    result = hotswap(
        "upload", "housing", str(artifact), "--metadata", "-", "--json", stdin='{"kind":"tree"}'
    )
    assert json.loads(result.stdout)["kind"] == "tree"


@pytest.mark.parametrize("metadata", ["no json", "[1]", "\xff", '{"metrics":{"r2":NaN}}'])
def test_metadata_other_than_an_object_is_wrong_usage(
    hotswap: Hotswap, service: FakeService, artifact: Path, metadata: str
) -> None:
    stdin = metadata.encode("latin-1")
    result = hotswap("upload", "housing", str(artifact), "--metadata", "-", stdin=stdin)
    assert result.exit_code == 2
    assert "--metadata" in result.stderr
    assert service.requests == []


def test_a_repeated_upload_is_reported_as_such(
    hotswap: Hotswap, service: FakeService, artifact: Path
) -> None:
    version = {"model": "housing", "version": 4, "status": "ready"}
    replay = Answer(201, version, {"Idempotent-Replayed": "true"})
    service.script("POST", "/models/housing/versions", replay)
    result = hotswap("upload", "housing", str(artifact), "--idempotency-key", "k")
    assert "already uploaded as version 4" in result.stdout


def test_promote_prints_the_live_and_the_previous_version(
    hotswap: Hotswap, service: FakeService
) -> None:
    for _ in range(2):
        service.add_version("housing")
    assert hotswap("promote", "housing", "1").stdout == ("housing/production is now version 1.\n")
    assert hotswap("promote", "housing", "2").stdout == (
        "housing/production is now version 2; it was version 1.\n"
    )
    assert hotswap("promote", "housing", "2").stdout == (
        "housing/production is now version 2, as before.\n"
    )


def test_promote_sends_only_the_given_options(hotswap: Hotswap, service: FakeService) -> None:
    service.add_version("housing")
    hotswap("promote", "housing", "1")
    hotswap("promote", "housing", "1", "--expected-version", "none")
    hotswap(
        *("promote", "housing", "1", "--expected-version", "1", "--alias", "canary"),
        *("--reason", "why", "--force", "--idempotency-key", "k"),
    )
    hotswap("promote", "housing", "1", "--expected-generation", "0")
    assert [received.json for received in service.requests] == [
        {},
        {"expected_version": None},
        {"expected_version": 1, "alias": "canary", "reason": "why", "force": True},
        {"expected_generation": 0},
    ]
    assert service.requests[2].headers["Idempotency-Key"] == "k"


def test_promote_prints_gates_with_their_values(hotswap: Hotswap, service: FakeService) -> None:
    gate = {
        "gate": "rmse <= champion * 1.02",
        "passed": True,
        "candidate": 48211.7,
        "champion": 49103.0,
    }
    answer = {
        "model": "housing",
        "alias": "production",
        "version": 3,
        "previous_version": 2,
        "generation": 17,
        "gates": [gate],
    }
    service.script("POST", "/models/housing/3/promote", Answer(200, answer))
    shown = hotswap("promote", "housing", "3").stdout
    assert "rmse <= champion * 1.02  yes       48211.7     49103" in shown


def test_a_refused_promotion_exits_1(hotswap: Hotswap, service: FakeService) -> None:
    refusal = problem(409, "expected-version-conflict", "The alias points at version 5.")
    service.script("POST", "/models/housing/3/promote", refusal)
    result = hotswap("promote", "housing", "3", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "points at version 5" in result.stderr


def test_rollback_prints_the_version_it_returned_to(hotswap: Hotswap, service: FakeService) -> None:
    service.add_version("housing")
    service.aliases["housing"] = {"production": 2}
    result = hotswap("rollback", "housing", "--to-version", "1", "--reason", "complaints")
    assert result.stdout == "housing/production is now version 1; it was version 2.\n"
    assert service.requests[0].json == {"to_version": 1, "reason": "complaints"}


def test_rollback_sends_the_expected_generation(hotswap: Hotswap, service: FakeService) -> None:
    service.add_version("housing")
    hotswap("rollback", "housing", "--expected-generation", "7")
    assert service.requests[0].json == {"expected_generation": 7}


def test_a_new_token_is_printed_once_with_its_rights(
    hotswap: Hotswap, service: FakeService
) -> None:
    result = hotswap(
        *("tokens", "create", "ci", "--scope", "upload", "--scope", "promote"),
        *("--model", "housing*", "--expires", "90d"),
    )
    assert "hsw_new" in result.stdout
    assert "cannot be shown again" in result.stderr
    sent = service.requests[0].json
    assert (sent["scopes"], sent["models"]) == (["upload", "promote"], ["housing*"])
    left = datetime.fromisoformat(sent["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89, hours=23) < left <= timedelta(days=90)


def test_tokens_can_be_listed_and_revoked(hotswap: Hotswap, service: FakeService) -> None:
    hotswap("tokens", "create", "ci", "--scope", "upload")
    assert "ci" in hotswap("tokens", "list").stdout
    assert hotswap("tokens", "revoke", "7").stdout == "Token 7 was revoked.\n"
    assert service.requests[-1].path == "/tokens/7"


def test_a_token_can_be_a_persons_and_tokens_be_selected(
    hotswap: Hotswap, service: FakeService
) -> None:
    hotswap("tokens", "create", "ann", "--scope", "promote", "--person")
    assert service.requests[0].json["kind"] == "person"
    listed = hotswap("tokens", "list", "--state", "valid", "--query", "an").stdout.split()
    assert "person" in listed
    query = service.requests[1].query
    assert (query["state"], query["q"]) == (["valid"], ["an"])


OLD = {"id": 1, "name": "admin", "scopes": ["admin"], "models": None, "expires_at": None}


def test_rotation_shows_the_new_token_before_it_revokes_the_old_one(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.tokens.append({**OLD, "scopes": ["upload"], "models": ["a*"]})
    result = hotswap("tokens", "rotate", "1")
    assert result.exit_code == 0
    assert "hsw_new" in result.stdout
    made, revoked = service.requests[-2:]
    assert made.json == {"name": "admin", "scopes": ["upload"], "models": ["a*"]}
    assert (revoked.method, revoked.path) == ("DELETE", "/tokens/1")


def test_a_failed_revocation_says_that_the_old_token_still_works(
    hotswap: Hotswap, service: FakeService
) -> None:
    service.tokens.append(OLD)
    service.script("DELETE", "/tokens/1", problem(503, "database-busy", "Busy."))
    result = hotswap("tokens", "rotate", "1")
    assert result.exit_code == 1
    assert "hsw_new" in result.stdout
    assert "the old one, 1, was not revoked: Busy." in result.stderr


@pytest.mark.parametrize("revoked_at", [None, "2026-11-21T06:00:00Z"])
def test_only_a_valid_token_can_be_rotated(
    hotswap: Hotswap, service: FakeService, revoked_at: str | None
) -> None:
    service.tokens.append({**OLD, "id": 1 if revoked_at else 2, "revoked_at": revoked_at})
    result = hotswap("tokens", "rotate", "1")
    assert result.exit_code == 1
    assert "no valid token with the id 1" in result.stderr
    assert [received.method for received in service.requests] == ["GET"]
