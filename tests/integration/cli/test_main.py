"""The command as a whole: its subcommands, and its few imports at start."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, main
from cli.tokens import SCOPES
from registry import tokens as registry_tokens
from tests.integration.cli.fake_service import FakeService
from tests.integration.cli.test_exits import environment

LOCAL = ["backup", "restore", "gc"]
"""These work on the data directory itself and speak to no service."""

GROUPS = ["tokens", "recipe", "import", "rollout", "webhooks", "hosts", "blobs"]
WEBHOOKS = "create list rotate test enable disable delete deliveries retry"
OURS = [
    *(
        [verb]
        for verb in COMMANDS
        if verb not in {"serve", "watch", "db", "doctor", *GROUPS, *LOCAL}
    ),
    *(["tokens", verb] for verb in ("create", "list", "revoke")),
    *(["import", verb] for verb in ("mlflow", "folder")),
    *(["rollout", verb] for verb in ("start", "status", "pause", "resume", "abort", "finish")),
    *(["webhooks", verb] for verb in WEBHOOKS.split()),
    *(["hosts", verb] for verb in ("list", "forget")),
]


@pytest.mark.parametrize("verb", OURS, ids=" ".join)
def test_each_service_command_has_help_with_an_example_and_json(verb: list[str]) -> None:
    result = CliRunner().invoke(main, [*verb, "--help"])
    assert result.exit_code == 0
    assert f"Example:\n    hotswap {' '.join(verb)}" in result.stdout
    assert "--json" in result.stdout
    assert "--url" in result.stdout


@pytest.mark.parametrize("verb", LOCAL)
def test_each_local_command_has_help_with_an_example_and_json(verb: str) -> None:
    result = CliRunner().invoke(main, [verb, "--help"])
    assert result.exit_code == 0
    assert f"Example:\n    hotswap {verb}" in result.stdout
    assert "--json" in result.stdout
    assert "--data" in result.stdout


@pytest.mark.parametrize("verb", ["init", "check"])
def test_each_recipe_command_has_help_with_an_example(verb: str) -> None:
    result = CliRunner().invoke(main, ["recipe", verb, "--help"])
    assert result.exit_code == 0
    assert f"Example:\n    hotswap recipe {verb}" in result.stdout


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\x01"])
def test_a_name_that_no_host_can_have_is_refused_before_a_request(name: str) -> None:
    result = CliRunner().invoke(main, ["hosts", "forget", name])
    assert result.exit_code == 2
    assert "is not a name of a host" in result.stderr


def test_help_lists_the_commands_of_the_contract() -> None:
    listed = CliRunner().invoke(main, ["--help"]).stdout.partition("Commands:\n")[2]
    first, second = (
        "serve train retrain upload models versions show",
        "promote rollback policy holdout evaluate history predict tokens db doctor",
    )
    wanted = [*first.split(), *second.split()]
    names = [line.split()[0] for line in listed.splitlines() if line.startswith("  ")]
    assert [name for name in names if name in wanted] == wanted


def test_an_unknown_command_suggests_the_nearest_one() -> None:
    result = CliRunner().invoke(main, ["promot"])
    assert result.exit_code == 2
    assert "promot" in result.stderr


def test_the_offered_scopes_are_those_of_the_registry() -> None:
    assert set(SCOPES) == set(registry_tokens.SCOPES)


PROBE = """
import sys
from cli.main import main
try:
    main(sys.argv[1:])
finally:
    heavy = {"sklearn", "pandas", "numpy", "flask", "sqlalchemy", "rich", "matplotlib"}
    print(sorted(heavy & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["train", "--help"], ["plots", "--help"], ["predict", "m/1", "a=1"]]
)
def test_the_command_starts_without_heavy_imports(
    service: FakeService, arguments: list[str]
) -> None:
    service.add_version("m")
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments],
        env=environment(service),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert done.stdout


def test_a_lazy_command_that_is_not_a_click_command_raises_an_error() -> None:
    from cli.lazy import LazyCommand, LazyGroup

    group = LazyGroup("g", lazy={"bad": LazyCommand("cli.main:COMMANDS", "Not a command.")})
    with pytest.raises(TypeError, match="not a click command"):
        group.get_command(click.Context(group), "bad")
