"""The corpus itself: the attacks differ, and their canaries work."""

import subprocess
import sys
import textwrap
from contextlib import ExitStack

import pytest

from tests.attacks.attack import canary_in
from tests.attacks.corpus import CORPUS, FAMILIES, SAMPLE
from tests.marks import left_to_slow

FIRING = [name for name, attack in CORPUS.items() if attack.fires]
_READ_WITHOUT_LOOKING = textwrap.dedent("""
    import joblib, os, sys, time, warnings
    warnings.simplefilter("ignore")
    import numpy, pandas, sklearn.datasets, sklearn.linear_model
    children = []
    for path in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            try:
                joblib.load(path)
            except BaseException:
                pass
            os._exit(0)
        os.waitpid(child, 0)
""")


def test_each_format_has_many_different_attacks():
    assert len(CORPUS) == sum(map(len, FAMILIES.values())) >= 200
    for format_ in ("joblib", "skops", "onnx"):
        assert sum(attack.format == format_ for attack in CORPUS.values()) >= 60


@pytest.mark.parametrize(
    "names",
    [[name for name in FIRING if name in SAMPLE], left_to_slow(FIRING)],
    ids=["of each family", "all"],
)
def test_unchecked_readers_trigger_the_canaries(names, tmp_path):
    """Otherwise untriggered canaries in the other tests would prove nothing."""
    files = []
    with ExitStack() as stack:
        canaries = {
            name: stack.enter_context(canary_in(tmp_path / str(number)))
            for number, name in enumerate(names)
        }
        for number, (name, canary) in enumerate(canaries.items()):
            files.append(tmp_path / f"{number}.joblib")
            files[-1].write_bytes(CORPUS[name].make(canary))
        read = [sys.executable, "-c", _READ_WITHOUT_LOOKING, *files]
        subprocess.run(read, cwd=tmp_path, check=True, timeout=120)
        assert [name for name, canary in canaries.items() if not canary.triggered()] == []
