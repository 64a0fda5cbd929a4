"""The memory that decoding a large body takes, measured by Linux, and that it is returned."""

import json
import os
import subprocess
import sys

import pytest

DECODE = r"""
import ctypes, gc, io, json, sys
from pathlib import Path
import numpy as np, pandas as pd
from registry.codecs.json_reply import JsonWriter
from registry.codecs.requests import ARROW, CSV, JSON, PARQUET, RequestReader
from registry.codecs.predictions import Predictions
from registry.signature import Column, Output, Signature

rng = np.random.default_rng(0)
names = [f"measure {index}" for index in range(8)]
signature = Signature(
    (*(Column(name, "number", True) for name in names), Column("place", "string", True)),
    Output("y", "number"),
)

def table(rows):
    found = pd.DataFrame(rng.uniform(-99, 99, (rows, 8)).round(2), columns=names)
    places = np.array(["INLAND", "NEAR BAY", "ISLAND"], dtype=object)
    found["place"] = places[rng.integers(0, 3, rows)]
    return found

def as_json(value):
    return json.dumps(value, separators=(",", ":")).encode()

def arrow(frame):
    import pyarrow as pa
    data, sink = pa.Table.from_pandas(frame), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data)
    return sink.getvalue().to_pybytes()

def parquet(frame):
    sink = io.BytesIO()
    frame.to_parquet(sink)
    return sink.getvalue()

def texts(first, rows):
    # Different texts of 1,000 characters, of which only the first may not be ASCII.
    return [f"{first}{row:07d}".ljust(1_000, "x") for row in range(rows // 10)]

def text_rows(first, frame, **options):
    rows = [[text] for text in texts(first, len(frame))]
    return json.dumps({"instances": rows}, **options).encode()

def text_table(first, frame):
    return pd.DataFrame({"t": texts(first, len(frame))})

forms = {
    "lists": (JSON, lambda frame: as_json({"instances": frame.values.tolist()})),
    "records": (JSON, lambda frame: as_json({"instances": frame.to_dict(orient="records")})),
    "columns": (JSON, lambda frame: as_json({"inputs": frame.to_dict(orient="list")})),
    "csv": (CSV, lambda frame: frame.to_csv(index=False).encode()),
    "narrow csv": (CSV, lambda frame: b"a\n" + b"1\n" * 20 * len(frame)),
    "narrow json": (
        JSON, lambda frame: b'{"inputs":{"a":[%b1]}}' % (b"1," * 20 * len(frame))
    ),
    "arrow": (ARROW, arrow),
    "parquet": (PARQUET, parquet),
    "text: json": (JSON, lambda frame: text_rows("\N{GRINNING FACE}", frame, ensure_ascii=False)),
    "text: escaped json": (JSON, lambda frame: text_rows("\N{GRINNING FACE}", frame)),
    "text: csv": (
        CSV, lambda frame: text_table("\N{GRINNING FACE}", frame).to_csv(index=False).encode()
    ),
    "text: ascii arrow": (ARROW, lambda frame: arrow(text_table("a", frame))),
    "text: arrow": (ARROW, lambda frame: arrow(text_table("\N{GRINNING FACE}", frame))),
    "text: parquet": (PARQUET, lambda frame: parquet(text_table("\N{GRINNING FACE}", frame))),
}

def memory(field):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024

def trim():
    gc.collect()
    getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)(0)

found = {}
for form in sys.argv[1].split(", "):
    content_type, encode = forms[form]
    narrow = Signature((Column("a", "integer"),), Output("y", "number"))
    text = Signature((Column("t", "string"),), Output("y", "number"))
    asked = {"narrow": narrow, "text:": text}.get(form.split()[0], signature)
    reader, writer = RequestReader(asked), JsonWriter("m", 1, asked)
    reader.read(content_type, encode(table(1_000)), 2**28)
    body = encode(table(60_000))
    reserved = reader.cost(content_type, body)
    trim()
    Path("/proc/self/clear_refs").write_text("5")
    before = memory("VmRSS")
    batch = reader.read(content_type, body, 2**28)
    decoded = memory("VmHWM")
    answers = Predictions(rng.uniform(1e5, 9e5, batch.rows).tolist())
    reply = writer.write(answers, single=False)
    answered = memory("VmHWM")
    rows = batch.rows
    del batch, answers, reply
    trim()
    found[form] = {
        "body": len(body),
        "unpacked": 8 * 9 * rows if form == "parquet" else len(body),
        "decoded": decoded - before + len(body),
        "answered": answered - before + len(body),
        "kept": memory("VmRSS") - before,
        "reserved": reserved,
    }
print(json.dumps(found))
"""
SLOW = pytest.mark.slow
FORMS = ["lists", "records", "columns", "csv", "narrow csv", "narrow json", "arrow", "parquet"]
TEXT_FORMS = [
    *("text: json", "text: escaped json", "text: csv"),
    *("text: ascii arrow", "text: arrow", "text: parquet"),
]
"""Columns of long texts; Python keeps a text with an emoji at 4 bytes a character."""
HUGE_PAGE = 2 * 2**20
"""What the kernel may give a process that touches one byte."""
QUICK = ["lists", "csv", "arrow", "text: json"]
ALL = [*FORMS, *TEXT_FORMS]
ALLOCATIONS = [
    pytest.param("", QUICK, id="of a few forms"),
    pytest.param("", [one for one in ALL if one not in QUICK], id="of other forms", marks=SLOW),
    pytest.param("glibc.malloc.mmap_threshold=4294967296", ALL, id="in one heap", marks=SLOW),
    pytest.param("glibc.malloc.mmap_threshold=131072", ALL, id="in many maps", marks=SLOW),
]
"""Whether a large block is moved, or leaves a hole, depends on what was allocated before."""


@pytest.fixture(scope="module")
def measured(tunables, forms):
    done = subprocess.run(
        [sys.executable, "-c", DECODE, ", ".join(forms)],
        env={**os.environ, "GLIBC_TUNABLES": tunables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


pytestmark = pytest.mark.parametrize(("tunables", "forms"), ALLOCATIONS, scope="module")


def test_bodies_are_decoded_in_six_times_their_size(measured):
    for form in FORMS:
        if found := measured.get(form):
            assert found["decoded"] <= 6 * found["unpacked"] + HUGE_PAGE, form


def test_bodies_take_no_more_memory_than_is_reserved_for_them(measured):
    for form, found in measured.items():
        assert found["answered"] <= found["reserved"], form


def test_the_memory_of_bodies_is_returned_to_the_system(measured):
    for form, found in measured.items():
        assert found["kept"] <= 4 * 2**20, form
