"""Bodies of JSON and CSV for generated signatures, as Hypothesis strategies."""

import csv
import io
import json

from hypothesis import strategies as st

from registry.signature import COLUMN_TYPES, Column, Output, Signature

OUTPUT = Output("y", "number")

_texts = st.text(max_size=12) | st.sampled_from(
    ["NEAR BAY", "INLAND", "é", "\U0001f680", "a\nb", ""]
)
_numbers = st.floats(allow_nan=False, allow_infinity=False).map(repr) | st.sampled_from(
    ["0", "-0.0", "1e308", "-5e-324", "2.5E+3", "9007199254740993", "0.1", "123456789.123456789"]
)
_wholes = st.integers(-(2**53) - 9, 2**53 + 9).map(str) | st.sampled_from(["1.0", "1e22", "-2E1"])
_dates = st.sampled_from(["2026-01-31", "2026-01-31T12:00:00Z", "0001-01-01"])
_CELLS = {
    "number": _numbers,
    "integer": _wholes,
    "boolean": st.sampled_from(["true", "false"]),
    "string": st.builds(lambda text, ascii_: json.dumps(text, ensure_ascii=ascii_),
                        _texts, st.booleans()),
    "date": _dates.map(json.dumps),
}  # fmt: skip
_FAULTS = [
    "null",
    "true",
    "1.5",
    '"x"',
    "[]",
    "{}",
    "01",
    "1e999",
    '"\\ud800"',
    "nul",
    "",
    '""',
    '"\x01"',
]
_EMOJI = '"\\ud83d\\ude80"'
_OTHERS = ["null", "[]", "{}", '[1, {"a": [true, "\\u00e9\\n"]}]', "1e999", _EMOJI, '"é"']
_names = st.sampled_from(
    ["x", "é", "a b", "longitude of the place", "instances", "\u2028", "\t", "'"]
)
_spaces = st.sampled_from(["", " ", "\n  ", "\t\r\n "])


@st.composite
def _signatures(draw):
    names = draw(st.lists(_names, min_size=1, max_size=4, unique=True))
    return Signature(
        tuple(
            Column(name, draw(st.sampled_from(COLUMN_TYPES)), draw(st.booleans())) for name in names
        ),
        OUTPUT,
    )


@st.composite
def json_bodies(draw):
    """A signature, a body and whether the kernel must accept it."""
    signature = draw(_signatures())
    space, rows = draw(_spaces), draw(st.integers(1, 5))
    usual = not any(name == "\t" for name in signature.names)
    columns = []
    for column in signature.inputs:
        cell = _CELLS[column.type]
        cell = cell | st.just("null") if column.nullable else cell
        columns.append(draw(st.lists(cell, min_size=rows, max_size=rows)))
    if draw(st.integers(0, 3)) == 0:
        columns[-1][draw(st.integers(0, rows - 1))] = draw(st.sampled_from(_FAULTS))
        usual = False
    is_ascii = draw(st.booleans())
    keys = [json.dumps(name, ensure_ascii=is_ascii) for name in signature.names]
    comma, colon = f"{space},{space}", f"{space}:{space}"
    form = draw(st.sampled_from(["instances", "dataframe_records", "lists", "columns"]))
    others = [
        (json.dumps(f"other{index}"), draw(st.sampled_from(_OTHERS)))
        for index in range(draw(st.integers(0, 2)))
    ]
    if form == "lists":
        lists = [f"[{space}{comma.join(row)}{space}]" for row in zip(*columns, strict=True)]
        key = draw(st.sampled_from(["instances", "inputs", "X"]))
        value = f"[{space}{comma.join(lists)}{space}]"
    elif form == "columns":
        members = [(key, f"[{space}{comma.join(cells)}{space}]")
                   for key, cells in zip(keys, columns, strict=True)]  # fmt: skip
        members = draw(st.permutations(members + others))
        key, value = "inputs", comma.join(f"{name}{colon}{cells}" for name, cells in members)
        value = f"{{{space}{value}{space}}}"
    else:
        order = list(range(len(keys) + len(others)))
        shuffled = draw(st.booleans())
        records = []
        for row in zip(*columns, strict=True):
            members = [*zip(keys, row, strict=True), *others]
            order = draw(st.permutations(order)) if shuffled else order
            written = comma.join(f"{members[at][0]}{colon}{members[at][1]}" for at in order)
            records.append(f"{{{space}{written}{space}}}")
        key, value = form, f"[{space}{comma.join(records)}{space}]"
    if form != "lists" and _EMOJI in [other for _, other in others]:
        usual = False  # surrogates are not accepted where they are skipped
    body = f'{space}{{{space}"{key}"{colon}{value}{space}}}{space}'
    return signature, body.encode(errors="surrogatepass"), usual


_CSV_CELLS = {
    "number": _numbers | st.sampled_from([" 7", "+1.5", ".5", "007", "5. "]),
    "integer": _wholes,
    "boolean": st.sampled_from(["true", "False", "1", "0"]),
    "string": st.text(max_size=9) | st.sampled_from(["NEAR BAY", "a,b", "é\x00", "\u2028", "\x85"]),
    "date": _dates,
}


@st.composite
def csv_bodies(draw):
    """A signature, a body and whether the kernel must accept it."""
    signature = draw(_signatures())
    rows, usual = draw(st.integers(1, 5)), True
    columns = []
    for column in signature.inputs:
        cell = _CSV_CELLS[column.type]
        cell = cell | st.just("") if column.nullable else cell.filter(bool)
        columns.append(draw(st.lists(cell, min_size=rows, max_size=rows)))
    if draw(st.integers(0, 3)) == 0:
        put = draw(st.sampled_from(["", "x", "1.5", "nan", "1e999", "tru", "2026-02-30", '"', "é"]))
        columns[-1][draw(st.integers(0, rows - 1))] = put
        usual = False
    usual = usual and not any(set(cell) & set('"\n\r') for column in columns for cell in column)
    names = list(signature.names)
    for index in range(draw(st.integers(0, 2))):
        names.append(f"other{index}")
        columns.append([draw(st.sampled_from(["", "x", "a,b", "é", "1"])) for _ in range(rows)])
    order = draw(st.permutations(range(len(names))))
    out = io.StringIO(newline="")
    writer = csv.writer(
        out,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\n\n"])),
    )
    writer.writerow([names[at] for at in order])
    writer.writerows([[columns[at][row] for at in order] for row in range(rows)])
    body = out.getvalue().encode(errors="surrogatepass")
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    body = mark + body[: -draw(st.integers(0, 2)) or None]
    return signature, body, usual and not body.endswith(b"\r")
