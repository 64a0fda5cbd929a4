"""``load_scorer``: predictions in the process of the caller, equal to those of the service."""

import io
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.datasets import load_diabetes, load_iris
from sklearn.neighbors import KNeighborsRegressor

from hotswap import Registry, Scorer, errors, load_scorer
from tests.missing_library import missing_library
from tests.system.models import upload
from tests.system.real_server import Server

pytestmark = pytest.mark.slow  # integration/api/test_compiled.py has its routes

FRAME = pd.DataFrame(load_iris().data, columns=["x0", "x1", "x2", "x3"])


@pytest.fixture(scope="module", autouse=True)
def scored(server: Server) -> None:
    upload(server, "scored")
    server.call("POST", "/models/scored/1/promote").raise_for_status()


@pytest.fixture
def scorer(server: Server, tmp_path: Path) -> Scorer:
    return load_scorer("scored", url=server.url, token=server.token, cache=tmp_path / "cache")


def test_a_scorer_predicts_as_the_service_does(server: Server, scorer: Scorer) -> None:
    assert (scorer.model, scorer.version) == ("scored", 1)
    with Registry(server.url, server.token) as registry:
        for data in (FRAME, FRAME.to_numpy(), FRAME.iloc[3].to_dict(), FRAME.to_dict("records")):
            expected = registry.predict("scored", data, version=1, probabilities=True)
            assert scorer.predict(data, probabilities=True) == expected
            answer = expected.get("predictions", expected.get("prediction"))
            assert list(scorer(data)) == list(answer) if isinstance(answer, list) else scorer(data)


def test_predictions_for_a_data_frame_have_its_index(scorer: Scorer) -> None:
    part = FRAME.iloc[100:103]
    predictions = scorer(part)
    assert predictions.to_dict() == dict.fromkeys(part.index, "virginica")
    assert predictions.name == "prediction"
    chances = scorer.probabilities(part)
    assert list(chances.columns) == ["setosa", "versicolor", "virginica"]
    assert np.allclose(chances.sum(axis=1), 1)
    assert list(chances.index) == list(part.index)
    assert len(scorer(FRAME.iloc[:0])) == 0
    assert list(scorer.probabilities(FRAME.iloc[:0]).columns) == list(chances.columns)


def test_faults_of_a_scorer_name_the_row_as_the_service_does(scorer: Scorer) -> None:
    broken = FRAME.copy()
    broken.iloc[7, 0] = np.nan
    with pytest.raises(errors.Refused) as caught:
        scorer(broken)
    assert type(caught.value).__name__ == "InputRefused"
    assert caught.value.errors[0].at == "rows[7].x0"
    restored = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (str(restored), restored.errors) == (str(caught.value), caught.value.errors)


def test_a_pickled_scorer_downloads_once_and_predicts_in_another_process(
    server: Server, scorer: Scorer, tmp_path: Path
) -> None:
    expected = list(scorer(FRAME))
    (tmp_path / "scorer").write_bytes(pickle.dumps((scorer, FRAME)))

    def files() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}

    assert predicted_elsewhere(tmp_path / "scorer") == [expected, expected]
    downloaded = files()
    assert downloaded.keys() <= set(scorer.forms.values())

    damaged, *intact = downloaded
    (tmp_path / "cache" / damaged).write_bytes(b"damaged")
    assert predicted_elsewhere(tmp_path / "scorer") == [expected, expected]
    assert files().keys() == downloaded.keys()
    assert files()[damaged] != downloaded[damaged]
    assert [files()[name] for name in intact] == [downloaded[name] for name in intact]
    assert server.token not in repr(scorer)


def predicted_elsewhere(pickled: Path) -> list[list[str]]:
    """What another process predicts, twice."""
    code = "import pickle, sys; f, x = pickle.load(open(sys.argv[1], 'rb')); "
    used = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code + "print(*f(x)); print(*f(x))", pickled],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert used.stderr == ""
    return [line.split() for line in used.stdout.splitlines()]


def test_threads_share_a_loaded_version(scorer: Scorer) -> None:
    answers: list[list[str]] = []
    threads = [
        threading.Thread(target=lambda: answers.append(list(scorer(FRAME)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [answers[0]] * 8


def test_a_token_that_is_invalid_or_revoked_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(errors.Unauthenticated):
        load_scorer("scored", url=server.url, token="hsw_invalid")
    upload(server, "revoked")
    with Registry(server.url, server.token) as registry:
        made = registry.create_token("scorer", scopes=["predict"])
        scorer = load_scorer("revoked", 1, url=server.url, token=made["token"], cache=tmp_path)
        registry.revoke_token(made["id"])
    with pytest.raises(errors.Unauthenticated):
        scorer(FRAME)
    assert list(tmp_path.iterdir()) == []


def test_a_downloaded_version_predicts_after_it_was_archived_and_others_do_not(
    server: Server, tmp_path: Path
) -> None:
    loaded, late = (
        load_scorer(
            *("retired", upload(server, "retired")["version"]),
            url=server.url,
            token=server.token,
            cache=tmp_path / name,
        )
        for name in ("loaded", "late")
    )
    expected = list(loaded(FRAME))
    for version in (1, 2):
        server.call("DELETE", f"/models/retired/{version}").raise_for_status()

    assert list(loaded(FRAME)) == expected
    (tmp_path / "scorer").write_bytes(pickle.dumps((loaded, FRAME)))
    assert predicted_elsewhere(tmp_path / "scorer") == [expected, expected]
    with pytest.raises(errors.NotFound, match="is archived"):
        late(FRAME)
    with pytest.raises(errors.NotFound, match="is archived"):
        load_scorer("retired", 1, url=server.url, token=server.token)


def test_an_alias_is_looked_up_once(server: Server, scorer: Scorer) -> None:
    upload(server, "scored", description="another")
    server.call("PUT", "/models/scored/aliases/other", json={"version": 2}).raise_for_status()
    assert load_scorer("scored", "other", url=server.url, token=server.token).version == 2
    assert scorer.predict(FRAME)["version"] == 1


def test_a_version_without_a_compiled_form_is_refused_with_the_reason(server: Server) -> None:
    data = load_diabetes()
    model = KNeighborsRegressor(3)
    content = io.BytesIO()
    skops.io.dump(model.fit(data.data, data.target), content)
    made = upload(server, "uncompiled", content.getvalue())
    with pytest.raises(errors.NotCompiled) as caught:
        load_scorer("uncompiled", 1, url=server.url, token=server.token)
    assert made["engine"]["reason"] in str(caught.value)


def test_without_the_engines_a_scorer_explains_what_to_install(
    server: Server, tmp_path: Path
) -> None:
    scorer = load_scorer("scored", 1, url=server.url, token=server.token, cache=tmp_path)
    moved = Scorer(**{**{f: getattr(scorer, f) for f in scorer.__slots__}, "model": "elsewhere"})
    with (
        missing_library("registry"),
        pytest.raises(errors.EngineUnavailable, match="Install the distribution hotswap"),
    ):
        moved(FRAME)


def test_address_and_token_default_to_the_environment(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOTSWAP_URL", server.url)
    monkeypatch.setenv("HOTSWAP_TOKEN", server.token)
    assert load_scorer("scored").version == 1
