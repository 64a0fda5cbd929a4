"""Which events, of which models, a webhook receives."""

import re
from pathlib import Path

import pytest

from registry.deliveries.patterns import (
    EVENT_NAMES,
    covers_event,
    covers_model,
    event_name,
    unmatched,
)


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("promoted", "promoted"),
        ("rolled_back", "rolled_back"),
        ("token_created", "token_created"),
        ("split_changed", "split.changed"),
        ("rollout_started", "rollout.started"),
        ("alert_opened", "alert.opened"),
        ("webhook_deleted", "webhook.deleted"),
    ],
)
def test_events_of_a_family_are_named_with_a_dot(type_, name):
    assert event_name(type_) == name


@pytest.mark.parametrize(
    ("patterns", "name", "covered"),
    [
        (["promoted"], "promoted", True),
        (["promoted"], "rolled_back", False),
        (["rollout.*"], "rollout.held", True),
        (["rollout.*"], "promoted", False),
        (["alert.*", "promoted"], "promoted", True),
        (["*"], "model_created", True),
        (["ROLLOUT.*"], "rollout.held", False),
        ([], "promoted", False),
    ],
)
def test_a_webhook_receives_the_events_that_a_pattern_matches(patterns, name, covered):
    assert covers_event(patterns, name) is covered


@pytest.mark.parametrize(
    ("patterns", "model", "covered"),
    [
        (None, "iris", True),
        (None, None, True),
        (["housing*"], "Housing-2", True),
        (["housing*"], "iris", False),
        (["HOUSING"], "housing", True),
        (["iris", "hous?ng"], "housing", True),
        (["*"], None, False),
    ],
)
def test_a_webhook_receives_the_events_of_its_models(patterns, model, covered):
    assert covers_model(patterns, model) is covered


def test_a_pattern_that_matches_no_event_is_found():
    assert unmatched(["promoted", "promotd", "model_*", "*", "model"]) == ["promotd", "model"]


def test_the_page_lists_every_event():
    page = (Path(__file__).parents[4] / "docs" / "webhooks.md").read_text()
    (section,) = re.findall(r"\n## Events\n(.*?)\n## ", page, re.DOTALL)
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]

    assert sorted(re.findall(r"`([^`]+)`", " ".join(rows))) == list(EVENT_NAMES)
