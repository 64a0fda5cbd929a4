"""A sheet of an Excel workbook is read as a table; a workbook that is too large is not unpacked."""

import io
import zipfile
from contextlib import suppress
from datetime import date

import pytest

from tests.missing_library import missing_library
from trainers.data import read_dataset
from trainers.errors import DataMalformed, DataRefused, DuplicateColumns, ExtraMissing
from trainers.excel import read_excel
from trainers.file_settings import FileSettings

_SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_DOCUMENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_FIRST_DAY = date(1899, 12, 30)
ROWS = [
    ["code", "size", "price", "sold", "late", "odd"],
    *(
        [f"{row:04}", row, row + 0.25, date(2026, 1, row + 1), row % 2 == 0, "?" if row else 7]
        for row in range(5)
    ),
]


def cell(value, place):
    """A cell as Excel writes it; a date is a number with the second style."""
    at = f'r="{chr(65 + place[1])}{place[0] + 1}"'
    match value:
        case None:
            return ""
        case bool():
            return f'<c {at} t="b"><v>{int(value)}</v></c>'
        case str():
            return f'<c {at} t="inlineStr"><is><t xml:space="preserve">{value}</t></is></c>'
        case date():
            return f'<c {at} s="1"><v>{(value - _FIRST_DAY).days}</v></c>'
    return f"<c {at}><v>{value}</v></c>"


def workbook(**sheets):
    """An .xlsx file with ``sheets``, each a list of rows."""
    names = list(sheets)
    entries = "".join(f'<sheet name="{name}" sheetId="{at}" r:id="r{at}"/>' for at, name in
                      enumerate(names, 1))  # fmt: skip
    related = "".join(
        f'<Relationship Id="r{at}" Type="{_RELATIONS}/worksheet" Target="worksheets/s{at}.xml"/>'
        for at in range(1, len(names) + 1)
    )
    overrides = "".join(
        f'<Override PartName="/xl/worksheets/s{at}.xml" ContentType="{_DOCUMENT}.worksheet+xml"/>'
        for at in range(1, len(names) + 1)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_DOCUMENT}.sheet.main+xml"/>'
        f"{overrides}</Types>",
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="r0" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_SHEET}" xmlns:r="{_RELATIONS}"><sheets>{entries}'
        "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{related}'
        f'<Relationship Id="r99" Type="{_RELATIONS}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_SHEET}"><cellXfs><xf numFmtId="0"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    for at, rows in enumerate(sheets.values(), 1):
        lines = "".join(
            f'<row r="{row + 1}">'
            + "".join(cell(value, (row, column)) for column, value in enumerate(cells))
            + "</row>"
            for row, cells in enumerate(rows)
        )
        parts[f"xl/worksheets/s{at}.xml"] = (
            f'<worksheet xmlns="{_SHEET}"><sheetData>{lines}</sheetData></worksheet>'
        )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')
    return packed.getvalue()


@pytest.fixture
def read(tmp_path):
    def read(content, **settings):
        (tmp_path / "t.xlsx").write_bytes(content)
        return read_dataset(str(tmp_path / "t.xlsx"), FileSettings(**settings))

    return read


def test_cells_keep_their_types(read):
    dataset = read(workbook(shops=ROWS))
    frame = dataset.frame

    assert dataset.found["sheet"] == "shops"
    assert frame["code"].tolist() == ["0000", "0001", "0002", "0003", "0004"]
    assert (str(frame["size"].dtype), frame["size"].tolist()) == ("Int64", [0, 1, 2, 3, 4])
    assert frame["price"].tolist() == [0.25, 1.25, 2.25, 3.25, 4.25]
    assert frame["sold"].tolist() == [date(2026, 1, day) for day in range(1, 6)]
    assert frame["late"].tolist() == [True, False, True, False, True]
    assert frame["odd"].tolist() == ["7", "?", "?", "?", "?"]


def test_the_sheet_with_cells_is_read_and_several_need_a_name(read):
    assert read(workbook(empty=[], data=ROWS)).found["sheet"] == "data"
    with pytest.raises(DataMalformed, match=r"has several sheets: 'a', 'b'\. Give one of them"):
        read(workbook(a=ROWS, b=ROWS[:3]))

    assert len(read(workbook(a=ROWS, b=ROWS[:3]), sheet="b").frame) == 2
    with pytest.raises(DataMalformed, match="has no sheet 'c': 'a', 'b'"):
        read(workbook(a=ROWS, b=ROWS), sheet="c")


def test_names_that_are_used_twice_are_refused(read):
    with pytest.raises(DuplicateColumns, match=r"\(sheet 'a'\)"):
        read(workbook(a=[["x", "x"], [1, 2], [3, 4]]))


def test_empty_cells_are_missing(read):
    frame = read(workbook(a=[["x", "y"], [1, None], [None, 2.5], [3, 4]])).frame

    assert frame["x"].isna().tolist() == [False, True, False]
    assert frame["y"].isna().tolist() == [True, False, False]


def test_a_workbook_that_unpacks_to_more_than_the_limit_is_refused():
    with pytest.raises(DataMalformed, match="unpacks to more than 1,000 bytes"):
        read_excel(workbook(a=ROWS), "t.xlsx", limit=1_000)


def test_a_damaged_workbook_is_refused(read):
    content = bytearray(workbook(a=ROWS))
    content[200] ^= 0xFF
    with pytest.raises(DataMalformed, match="damaged"):
        read(bytes(content))


def test_no_other_error_is_raised_wherever_a_workbook_is_damaged(read):
    """zipfile raises errors of eight kinds."""
    whole = workbook(a=ROWS)
    for place in range(0, len(whole), 9):
        content = bytearray(whole)
        content[place] ^= 0xFF
        with suppress(DataRefused):
            read(bytes(content))


def test_a_workbook_is_read_only_with_the_extra(read):
    with missing_library("python_calamine"), pytest.raises(ExtraMissing, match="extra 'excel'"):
        read(workbook(a=ROWS))
