"""A scorer of a service that does not keep to the contract."""

from pathlib import Path
from typing import Any

import pytest

from hotswap import errors, load_scorer
from tests.integration.cli.fake_service import HSW, SIGNATURE, Answer, FakeService


def announce(service: FakeService, digest: Any) -> None:
    """Let version 1 of ``m`` have a compiled form with this SHA-256."""
    found = {
        "model": "m",
        "version": 1,
        "signature": SIGNATURE,
        "engine": {"name": "forest"},
        "forms": {"onnx": digest},
    }
    service.script("GET", "/models/m/1/compiled", Answer(200, found))
    service.script("GET", "/models/m/1/compiled/onnx", Answer(200, b"other bytes"))


@pytest.mark.parametrize("digest", ["../victim", "{folder}/victim", "AB" * 32, "ab" * 31, None])
def test_a_form_without_a_sha256_is_refused_and_never_names_a_file(
    service: FakeService, tmp_path: Path, digest: str | None
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"before")
    announce(service, digest and digest.format(folder=tmp_path))

    with pytest.raises(errors.ReplyNotUnderstood, match="the form 'onnx' has no SHA-256"):
        load_scorer("m", 1, url=service.url, token=HSW, cache=tmp_path / "cache")({"rooms": 1})

    assert victim.read_bytes() == b"before"


def test_bytes_with_another_sha256_are_not_loaded(service: FakeService, tmp_path: Path) -> None:
    announce(service, "ab" * 32)
    cache = tmp_path / "cache"
    scorer = load_scorer("m", 1, url=service.url, token=HSW, cache=cache)
    with pytest.raises(errors.DownloadDamaged):
        scorer({"rooms": 1})
    assert list(cache.iterdir()) == []
