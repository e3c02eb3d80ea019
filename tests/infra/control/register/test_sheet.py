"""The catalogue as a spreadsheet loses nothing, and nothing in it acts."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xlsxwriter import Workbook

from infra.control.register.sheet import COLUMNS, read_sheet, write_csv, write_sheet
from schemas.catalogue_entry import CatalogueEntry, CatalogueItem
from schemas.characters import ACTING
from schemas.errors import ConfigError
from tests.infra.control.register.world import entry

_WORDS = (
    st.text("=+-@'\"，,;:；[]{}\\ \n企业登记ａ0123456789abc＝", min_size=1, max_size=20)
    .map(str.strip)
    .filter(lambda t: t and not ACTING.search(t))
)
_ENTRIES = st.builds(
    lambda title, code, description, items: entry(
        "x.r", "x", title=title, code=code, description=description, items=items
    ),
    _WORDS,
    st.one_of(st.from_regex(r"\A0*[0-9]{1,25}\Z"), _WORDS),
    st.one_of(st.just(""), _WORDS),
    st.lists(st.builds(lambda n, t: CatalogueItem(name=n, title=t), _WORDS, _WORDS), max_size=3),
)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize("language", ["en", "zh"])
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=_ENTRIES)
def test_what_was_exported_is_imported_as_it_was(
    tmp_path: Path, ending: str, language: str, written: CatalogueEntry
) -> None:
    path = tmp_path / f"t.{ending}"
    write_sheet(path, [written], "zh" if language == "zh" else "en")
    assert [e for _, e in read_sheet(path)] == [written]


@settings(deadline=None)
@given(written=_ENTRIES)
def test_no_cell_of_a_csv_file_begins_as_a_formula_does(written: CatalogueEntry) -> None:
    rows = list(csv.reader(io.StringIO(write_csv([written], "en").removeprefix("\ufeff"), newline="")))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


def test_a_workbook_holds_texts_only(tmp_path: Path) -> None:
    from python_calamine import CalamineWorkbook

    path = tmp_path / "t.xlsx"
    write_sheet(path, [entry("x.r", "x", title="=1+1", code="00520100123456789012")], "en")
    _, row = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()
    assert {type(cell) for cell in row} == {str}
    assert row[1:3] == ["00520100123456789012", "=1+1"]


def table(path: Path, *rows: list[object]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out).writerows(rows)
    return path


HEADINGS: list[object] = ["资源编号", "code", "资源名称", "provider", "class", "domain", "sharing", "update"]
ROW: list[object] = ["x.r", "1", "企业", "x", "base", "法人", "unconditional", "daily"]


@pytest.mark.parametrize(
    ("rows", "where"),
    [
        ([[*HEADINGS, "colour"], [*ROW, "red"]], ":1"),
        ([[*HEADINGS, "id"], [*ROW, "y"]], ":1"),
        ([HEADINGS, ROW, ROW], ":3"),
        ([HEADINGS, [], [*ROW[:6], "perhaps", "daily"]], ":3: sharing"),
        ([HEADINGS, [*ROW, "more"]], ":2"),
        ([[*HEADINGS, "items"], [*ROW, "name"]], ":2 items"),
        ([], ""),
    ],
)
def test_a_wrong_table_is_refused_with_its_row(tmp_path: Path, rows: list[list[object]], where: str) -> None:
    path = table(tmp_path / "t.csv", *rows)
    with pytest.raises(ConfigError) as caught:
        read_sheet(path)
    assert caught.value.where == f"{path}{where}"


def test_headings_may_be_of_either_language_and_the_text_as_excel_saves_it_in_china(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", HEADINGS, ROW)
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))
    ((where, found),) = read_sheet(path)
    assert (where, found.title, found.domain) == (f"{path}:2", "企业", "法人")


def test_a_number_a_spreadsheet_has_rounded_is_refused_and_a_short_one_is_its_digits(tmp_path: Path) -> None:
    for code, fine in ((5201, True), (52010012345678901, False)):
        path = tmp_path / "t.xlsx"
        with Workbook(path) as book:
            sheet = book.add_worksheet()
            sheet.write_row(0, 0, HEADINGS)
            sheet.write_row(1, 0, [ROW[0], code, *ROW[2:]])
        if fine:
            assert read_sheet(path)[0][1].code == "5201"
        else:
            with pytest.raises(ConfigError, match="lost digits"):
                read_sheet(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nothing", b"\xff\xfe\x00"])
def test_what_is_no_workbook_is_an_error_for_people(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.xlsx"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        read_sheet(path)


def test_every_field_of_an_entry_has_its_column() -> None:
    names = {f.alias or name for name, f in CatalogueEntry.model_fields.items()} - {"kind"}
    assert names == set(COLUMNS)
