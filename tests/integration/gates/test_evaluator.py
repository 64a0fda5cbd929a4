"""Measuring in a worker: what it imports, and how many it does at once."""

import subprocess
import sys
import threading

import pandas as pd
import pytest

from registry.blobs.local import LocalBlobStore
from registry.errors import ScoringBusy
from registry.gates import parse
from registry.gates.evaluator import MAX_CONCURRENT, GateEvaluator
from registry.gates.inputs import Candidate, GateInputs
from tests.factories import served

INPUTS = GateInputs(Candidate(served(), {}, "linear"), None, None, (parse("latency_ms < 1"),))


PROGRAM = """
import sys
from pathlib import Path

import numpy as np

from registry.blobs.local import LocalBlobStore
from registry.gates import parse
from registry.gates.inputs import GateInputs, Candidate
from registry.gates.holdouts import Holdout
from registry.gates.evaluator import GateEvaluator
from registry.engines.served_version import ServedVersion
from registry.codecs.predictions import Predictions
from registry.signature import Column, Output, Signature


class Fixed:
    waits = False

    def __init__(self, signature):
        self.signature = signature
        self.has_probabilities = signature.output.classes is not None

    def predict(self, batch, *, probabilities=False):
        if not self.has_probabilities:
            return Predictions([0.5] * batch.rows)
        return Predictions(["a"] * batch.rows, np.tile([0.7, 0.3], (batch.rows, 1)))


folder, *digests = sys.argv[1:]
columns = (Column("x", "number"), Column("t", "string"))
regression = Signature(columns, Output("y", "number"))
classification = Signature(columns, Output("label", "string", ("a", "b")))
for digest, format_ in zip(digests, ("parquet", "csv")):
    for signature, gate in ((regression, "rmse < 9 @ 95%"), (classification, "roc_auc < 1 @ 95%")):
        version = ServedVersion("m", 1, "skops", "0" * 64, 1, signature, None)
        candidate = Candidate(version, {}, "linear")
        holdout = Holdout(digest, format_, signature.output.name, 4)
        blobs = LocalBlobStore(Path(folder))
        evaluator = GateEvaluator(blobs, lambda version: Fixed(version.signature))
        report = evaluator.report(GateInputs(candidate, candidate, holdout, (parse(gate),)))
        assert report.results[0].passed, report
        assert report.differences, report
print([name for name in ("sklearn", "pandas", "scipy") if name in sys.modules])
"""


def test_measuring_imports_neither_scikit_learn_nor_pandas(tmp_path):
    """Parquet and CSV, a regression and a classification, with intervals."""
    frame = pd.DataFrame({"x": [1.0] * 4, "t": ["u"] * 4, "y": range(4), "label": list("abab")})
    blobs, digests = LocalBlobStore(tmp_path), []
    for body in (frame.to_parquet(index=False), frame.to_csv(index=False).encode()):
        with blobs.stage(2**20) as blob:
            blob.write(body)
            digests.append(blob.keep())

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, tmp_path, *digests], capture_output=True, check=False
    )

    assert (done.stdout.strip(), done.stderr) == (b"[]", b"")


def test_the_number_of_concurrent_measurements_is_limited(tmp_path):
    going_on, hold = threading.Semaphore(0), threading.Event()

    def load(version):
        going_on.release()
        hold.wait()
        raise AssertionError("nobody asks for its answers here")

    evaluator = GateEvaluator(LocalBlobStore(tmp_path), load, patience=0.05)

    def measure():
        with pytest.raises(AssertionError):
            evaluator.results(INPUTS)

    threads = [threading.Thread(target=measure) for _ in range(MAX_CONCURRENT)]
    for thread in threads:
        thread.start()
        going_on.acquire()

    with pytest.raises(ScoringBusy):
        evaluator.results(INPUTS)

    hold.set()
    for thread in threads:
        thread.join()


def test_parsing_gates_imports_nothing_heavy():
    program = (
        "import registry.gates, sys; registry.gates.parse('r2 > 0');"
        "print([m for m in ('numpy', 'sqlalchemy', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"
