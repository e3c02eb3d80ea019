"""The workbook: a sheet that says what the rows are and for what they were given, then the rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from xlsxwriter import Workbook

from consumers.sinks.excel.cells import Cell, cell_of
from consumers.view import Column, Kind, View

ABOUT, ROWS = "说明", "数据"
_WIDTH = 18
_HEADER_LIMIT = 240
"""Characters; Excel refuses a file with more than 255 in a header."""
_FORMATS: Mapping[Kind, str] = {
    "date": "yyyy-mm-dd",
    "time": "hh:mm:ss",
    "timestamp": "yyyy-mm-dd hh:mm:ss",
    "local": "yyyy-mm-dd hh:mm:ss",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What a workbook came to hold."""

    rows: int
    sheets: int


def write_workbook(
    path: Path, view: View, rows: Iterable[tuple[Any, ...]], at: dt.datetime, rows_per_sheet: int
) -> Written:
    """Write the rows (values as SQLite gives them, in the view's order) to a new file; OSError if that cannot be.

    Temporary files of the writer are made in the file's own folder. Memory stays flat, however many rows there are.
    """
    options = {
        "constant_memory": True,
        "tmpdir": str(path.parent),
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "nan_inf_to_errors": False,
    }
    with Workbook(str(path), options) as book:
        book.use_zip64()  # parts beyond 4 GB
        about = book.add_worksheet(ABOUT)
        sheets = _Sheets(book, view, rows_per_sheet)
        count = 0
        for count, row in enumerate(rows, 1):  # noqa: B007 - counted
            sheets.add(row)
        sheets.end()
        _tell(book, about, view, count, at)
        sheets.first.activate()
        return Written(count, sheets.number)


class _Sheets:
    """Sheets of rows, a further one whenever one is full."""

    def __init__(self, book: Workbook, view: View, rows_per_sheet: int) -> None:
        self._book, self._view, self._most = book, view, rows_per_sheet
        self._bold = book.add_format({"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#DDE6F0"})
        self._formats = [book.add_format({"num_format": _format(c)}) for c in view.columns]
        # ' is not shown in front of what is quoted so, and the cell stays text when a person edits it
        self._text = book.add_format({"num_format": "@", "quote_prefix": True})
        self.number = 0
        self.first = self._begin()

    def add(self, row: tuple[Any, ...]) -> None:
        if self._row > self._most:
            self.end()
            self._begin()
        for n, (column, value) in enumerate(zip(self._view.columns, row, strict=True)):
            self._put(n, cell_of(column, value))
        self._row += 1

    def end(self) -> None:
        self._sheet.autofilter(0, 0, max(1, self._row - 1), len(self._view.columns) - 1)

    def _begin(self) -> Any:
        self.number += 1
        self._sheet = sheet = self._book.add_worksheet(ROWS if self.number == 1 else f"{ROWS} {self.number}")
        self._row = 1
        sheet.freeze_panes(1, 0)
        sheet.repeat_rows(0)
        _head_and_foot(sheet, self._view)
        for n, column in enumerate(self._view.columns):
            sheet.set_column(n, n, _WIDTH, self._text if column.kind in ("text", "json") else None)
            sheet.write_string(0, n, column.title or column.field, self._bold)
        return sheet

    def _put(self, n: int, cell: Cell) -> None:
        sheet, row = self._sheet, self._row
        if cell is None:
            return
        if isinstance(cell, str):
            sheet.write_string(row, n, cell, self._text)
        elif isinstance(cell, bool):
            sheet.write_boolean(row, n, cell, self._formats[n])
        elif isinstance(cell, int | float):
            sheet.write_number(row, n, cell, self._formats[n])
        else:
            sheet.write_datetime(row, n, cell, self._formats[n])


def _format(column: Column) -> str:
    if column.kind == "decimal":
        return "#,##0" + ("." + "0" * column.scale if column.scale else "")
    return _FORMATS.get(column.kind, "General")


def _tell(book: Workbook, sheet: Any, view: View, count: int, at: dt.datetime) -> None:
    bold, text = book.add_format({"bold": True}), book.add_format({"num_format": "@", "text_wrap": True})
    _head_and_foot(sheet, view)
    sheet.set_column(0, 0, 26, bold)
    sheet.set_column(1, 1, 80, text)
    for row, (label, value) in enumerate(about(view, count, at)):
        sheet.write_string(row, 0, label, bold)
        sheet.write_string(row, 1, value, text)


def about(view: View, count: int, at: dt.datetime) -> Iterator[tuple[str, str]]:
    """What the first sheet says, label and value."""
    yield "数据 / Data", view.title
    yield "授权编号 / Grant", f"{view.grant} (g{view.origin.generation})"
    terms = view.terms
    if terms is not None:
        yield "使用目的 / Purpose", terms.purpose
        yield "依据 / Basis", terms.basis
        yield "有效期 / Valid", f"{terms.valid_from} – {terms.valid_until}"
        yield (
            "销毁期限 / Destroy by",
            str(terms.destroy_by)
            if terms.destroy_by
            else "授权终止时告知; 届时须销毁本文件及全部副本 / told when the grant ends; then destroy this file and all copies",
        )
    yield "行数 / Rows", str(count)
    yield "生成时间 / Written", at.astimezone(ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%d %H:%M:%S") + " (北京时间)"
    yield "时间 / Times", "均为北京时间 / Asia/Shanghai"
    yield (
        "文本 / Text",
        "可能被当作公式的文本前加有 ' / text that might be taken for a formula has a ' before it",
    )


def _head_and_foot(sheet: Any, view: View) -> None:
    terms = view.terms
    purpose = f"仅限用于: {terms.purpose}" if terms else view.title
    until = f"有效期至 {terms.valid_until}" if terms else ""
    if terms and terms.destroy_by:
        until += f" 须于 {terms.destroy_by} 前销毁"
    sheet.set_header("&L" + _printed(purpose, _HEADER_LIMIT))
    sheet.set_footer(f"&L{_printed(view.grant, 120)} {_printed(until, 80)}&R&P/&N")


def _printed(text: str, most: int) -> str:
    """In a header & begins a command, so it is doubled; a cut may not halve such a pair."""
    return " ".join(text.split())[: most // 2].replace("&", "&&")
