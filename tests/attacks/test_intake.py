"""Every attack, given to the intake itself: refused with a reason, and nothing runs.

``make test`` tries one of each family on each format, ``make test-slow`` all of them.
"""

import pytest

from registry.errors import ArtifactRefused, MetadataRefused
from registry.intake.inspector import Inspector
from tests.attacks.attack import canary_in
from tests.attacks.conftest import FIGURE
from tests.attacks.corpus import CORPUS, SAMPLE

ONNX_SECONDS = 5
"""The time limit of a graph that never ends: shorter than that of the service."""


@pytest.fixture(scope="module")
def inspectors(spawner):
    by_default = Inspector(spawner=spawner)
    return {
        "skops": by_default,
        "joblib": by_default,
        "onnx": Inspector(ONNX_SECONDS, spawner=spawner),
    }


@pytest.mark.parametrize(
    "name",
    [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow) for name in CORPUS],
)
def test_the_intake_refuses(name, inspectors, tmp_path, record_property):
    attack = CORPUS[name]
    path = tmp_path / "artifact"
    with canary_in(tmp_path / "canary") as canary:
        path.write_bytes(attack.make(canary))
        said = None
        try:
            inspectors[attack.format].inspect(path, attack.format, attack.metadata)
        except (ArtifactRefused, MetadataRefused) as refused:
            said = refused.detail
        triggered = canary.triggered()
    for figure, number in (("tried", 1), ("refused", said is not None), ("run", triggered)):
        record_property(FIGURE, (figure, int(number)))
    assert not triggered
    if attack.harmless:
        assert said is None
    else:
        assert said is not None, "it was taken"
        # A refusal names what is wrong; an end of the process would only say that something is.
        assert "Its inspection" not in said
        assert "sent an invalid message" not in said
