"""A library that is installed and cannot be imported, as LightGBM where libgomp is missing."""

import sys

import pytest

from trainers.errors import RecipeRefused
from trainers.model_kinds import LIBRARY_KINDS
from trainers.recipe import Recipe


@pytest.mark.parametrize("library", LIBRARY_KINDS)
def test_the_recipe_is_refused_with_the_reason(library, tmp_path, monkeypatch):
    (tmp_path / f"{library}.py").write_text("raise OSError('libgomp.so.1: no such file')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, library, raising=False)

    with pytest.raises(RecipeRefused) as refusal:
        Recipe(data="sklearn:iris", kind=library)

    assert refusal.value.mistakes == (
        f"Training with kind = '{library}' requires {library}, which cannot be imported: "
        "libgomp.so.1: no such file. Where libgomp is missing, install it: apt-get install "
        "libgomp1",
    )
