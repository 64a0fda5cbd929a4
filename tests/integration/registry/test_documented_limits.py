"""The limits in docs/artifacts.md are those of the code."""

import re
from pathlib import Path

from registry.engines.model_process import PREDICT_SECONDS
from registry.formats import joblib_format, shapes, skops_format, structure, unpacking
from registry.intake.compilation import ONNX_UP_TO
from registry.intake.forms import FORM_LIMITS
from registry.intake.inspector import TIMEOUT_SECONDS
from registry.signature import MAX_CLASSES, MAX_COLUMN_NAME, MAX_COLUMNS, MAX_OUTPUTS

PAGE = Path(__file__).parents[3] / "docs" / "artifacts.md"
MEBIBYTE = 2**20
LIMITS = {
    "columns of a model": MAX_COLUMNS,
    "characters of a column's name": MAX_COLUMN_NAME,
    "columns between two steps, terms of a vectorizer": shapes.MAX_WIDTH,
    "classes of a classifier": MAX_CLASSES,
    "values that are predicted for a row": MAX_OUTPUTS,
    "a compiled forest, MiB": FORM_LIMITS["forest"] // MEBIBYTE,
    "an ONNX form, MiB": FORM_LIMITS["onnx"] // MEBIBYTE,
    "a forest that also gets an ONNX form, MiB": ONNX_UP_TO // MEBIBYTE,
    "a file, unpacked, MiB": unpacking.MAX_UNPACKED // MEBIBYTE,
    "a compressed file above 32 MiB, unpacked, times its size": unpacking.MAX_RATIO,
    "files in a skops file": skops_format.MAX_FILES,
    "searches and sparse matrices in a joblib file": joblib_format.MAX_REPLACED,
    "objects in a model": structure.MAX_OBJECTS,
    "estimators inside each other": structure.MAX_DEPTH,
    "seconds of an inspection": TIMEOUT_SECONDS,
    "seconds of a batch": int(PREDICT_SECONDS),
}


def test_the_documented_limits_are_those_of_the_code() -> None:
    section = PAGE.read_text().partition("\n## Limits\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([\d,]+) \| [^|]+ \|$", section, re.MULTILINE)

    assert {name: int(largest.replace(",", "")) for name, largest in rows} == LIMITS
    assert f"above {unpacking.FREE_BYTES // MEBIBYTE} MiB" in section
