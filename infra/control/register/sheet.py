"""The catalogue as a table: one row an entry, for spreadsheets. CSV (UTF-8 with a BOM, which Excel needs) and .xlsx.

Every cell is text, so that no code loses a digit. A text that a spreadsheet would take for a formula is written with ' before
it in CSV, and read back without; in .xlsx cells are typed, so nothing there can act.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from schemas.catalogue_entry import CatalogueEntry, parse_entry
from schemas.errors import ConfigError
from schemas.reading_words import of_system
from schemas.text import Language, Text
from schemas.validation import parse_json

COLUMNS: dict[str, Text] = {
    "id": Text("id", "资源编号"),
    "code": Text("code", "国家资源代码"),
    "title": Text("title", "资源名称"),
    "provider": Text("provider", "提供部门"),
    "lead": Text("lead", "数源部门"),
    "class": Text("class", "目录类别"),
    "domain": Text("domain", "所属库或主题"),
    "sharing": Text("sharing", "共享属性"),
    "basis": Text("basis", "共享依据"),
    "conditions": Text("conditions", "共享条件"),
    "open": Text("open", "开放属性"),
    "update": Text("update", "更新频率"),
    "level": Text("level", "数据级别"),
    "personal": Text("personal", "个人信息"),
    "format": Text("format", "数据格式"),
    "method": Text("method", "共享方式"),
    "quality": Text("quality", "数据质量"),
    "items": Text("items", "信息项"),
    "assessed": Text("assessed", "评估日期"),
    "signed_off": Text("signed_off", "审签人"),
    "description": Text("description", "摘要"),
}
"""Every column by its field, with the headings it may have."""

MAX_FILE = 64 << 20
"""Bytes of a table: 18,725 entries with items take about 6 MB."""
MAX_ROWS = 200_000
_ACTING = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_EXACT = 10**15
"""From here on a spreadsheet's number has lost digits."""


def read_sheet(path: Path) -> list[tuple[str, CatalogueEntry]]:
    """The entries of a .csv or .xlsx file, each with its place (`file:row`). ConfigError with file, row and column."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConfigError(Text(f"larger than {MAX_FILE} bytes.", f"超过 {MAX_FILE} 字节。"), where=str(path))
        rows = _rows_of_workbook(path) if path.suffix == ".xlsx" else _rows_of_csv(path)
    except OSError as error:
        why = of_system(error)
        raise ConfigError(Text(f"cannot be read: {why.en}.", f"无法读取: {why.zh}。"), where=str(path)) from error
    return list(_entries(path, rows))


def check_ending(path: Path) -> None:
    """ConfigError unless the file's name says which kind of table it is."""
    if path.suffix not in (".csv", ".xlsx"):
        raise ConfigError(Text("a table ends in .csv or .xlsx.", "表格文件须以 .csv 或 .xlsx 结尾。"), where=str(path))


def write_sheet(path: Path, entries: Iterable[CatalogueEntry], language: Language) -> None:
    """Write the table, by the file's name as CSV or Excel, in place of what is there. ConfigError if that cannot be."""
    draft = path.with_name(f".{path.name}.draft")
    try:
        if path.suffix == ".xlsx":
            write_workbook(draft, entries, language)
        else:
            draft.write_text(write_csv(entries, language), encoding="utf-8", newline="")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        why = of_system(error)
        raise ConfigError(Text(f"cannot be written: {why.en}.", f"无法写入: {why.zh}。"), where=str(path)) from error


def write_csv(entries: Iterable[CatalogueEntry], language: Language) -> str:
    """The table as CSV text, with headings in `language`."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow([c.to(language) for c in COLUMNS.values()])
    table.writerows([_harmless(cell) for cell in _cells(entry)] for entry in entries)
    return "\ufeff" + out.getvalue()


def write_workbook(path: Path, entries: Iterable[CatalogueEntry], language: Language) -> None:
    """The table as .xlsx, every cell text."""
    from xlsxwriter import Workbook

    with Workbook(path, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("catalogue")
        text = book.add_format({"num_format": "@"})
        bold = book.add_format({"bold": True})
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(COLUMNS) - 1, 18, text)
        for n, heading in enumerate(COLUMNS.values()):
            sheet.write_string(0, n, heading.to(language), bold)
        for row, entry in enumerate(entries, 1):
            for n, cell in enumerate(_cells(entry)):
                if cell:
                    sheet.write_string(row, n, cell, text)


def _cells(entry: CatalogueEntry) -> list[str]:
    written = entry.model_dump(mode="json", by_alias=True)
    written["items"] = _items_cell(entry)
    return ["" if (v := written[name]) is None else str(v) for name in COLUMNS]


def _items_cell(entry: CatalogueEntry) -> str:
    """`name:type:title; …`, or JSON where one of them holds what stands between them."""
    cell = "; ".join(f"{i.name}:{i.type}:{i.title}" for i in entry.items)
    written = [i.model_dump() for i in entry.items]
    try:
        plain = _items(cell, "") == written
    except ConfigError:
        plain = False
    return cell if plain else json.dumps(written, ensure_ascii=False)


def _harmless(cell: str) -> str:
    return "'" + cell if cell.startswith((*_ACTING, "'")) else cell


def _meant(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*_ACTING, "'")) else cell


def _rows_of_csv(path: Path) -> list[list[str]]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            text = path.read_bytes().decode("gb18030")  # what Excel saves in China unless told otherwise
        except UnicodeDecodeError as error:
            raise ConfigError(
                Text("neither UTF-8 nor GB 18030 text.", "既不是 UTF-8 也不是 GB 18030 文本。"), where=str(path)
            ) from error
    try:
        return [[_meant(cell) for cell in row] for row in csv.reader(io.StringIO(text, newline=""), strict=True)]
    except csv.Error as error:
        raise ConfigError(Text("not valid CSV.", "不是有效的 CSV。"), where=str(path)) from error


def _rows_of_workbook(path: Path) -> list[list[str]]:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        rows = CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python(skip_empty_area=False)
    except (CalamineError, IndexError) as error:
        raise ConfigError(
            Text("not a readable .xlsx workbook.", "不是可读取的 .xlsx 工作簿。"), where=str(path)
        ) from error
    return [[_text(cell, f"{path}:{n}") for cell in row] for n, row in enumerate(rows, 1)]


def _text(cell: Any, where: str) -> str:
    """What a person typed. A number that a spreadsheet may have rounded is refused."""
    if isinstance(cell, float):
        if abs(cell) >= _EXACT:
            raise ConfigError(
                Text("a long number has lost digits in the spreadsheet.", "长数字在电子表格中已丢失精度。"),
                where=where,
                hint=Text("Format the column as text and enter it again.", "请将该列设为文本格式后重新填写。"),
            )
        return str(int(cell)) if cell.is_integer() else repr(cell)
    return str(cell)


def _entries(path: Path, rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, CatalogueEntry]]:
    if len(rows) > MAX_ROWS:
        raise ConfigError(Text(f"more than {MAX_ROWS} rows.", f"超过 {MAX_ROWS} 行。"), where=str(path))
    names = _headings(path, rows[0] if rows else ())
    seen: dict[str, int] = {}
    for number, row in enumerate(rows[1:], 2):
        cells = {name: cell.strip() for name, cell in zip(names, row, strict=False) if cell.strip()}
        where = f"{path}:{number}"
        if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            raise ConfigError(Text("more cells than headings.", "单元格多于表头。"), where=where)
        if not cells:
            continue
        document: dict[str, Any] = {"kind": "CatalogueEntry", **cells}
        if "items" in cells:
            document["items"] = _items(cells["items"], where)
        entry = parse_entry(document, where)
        first = seen.setdefault(entry.id, number)
        if first != number:
            raise ConfigError(
                Text(f"'{entry.id}' is also in row {first}.", f"'{entry.id}' 在第 {first} 行已出现。"), where=where
            )
        yield where, entry


def _headings(path: Path, row: Sequence[str]) -> list[str]:
    known = {word: name for name, text in COLUMNS.items() for word in text}
    names = []
    for n, cell in enumerate(row, 1):
        name = known.get(cell.strip())
        if name is None or name in names:
            raise ConfigError(
                Text(f"column {n} has no heading known here, or one twice.", f"第 {n} 列的表头未知或重复。"),
                where=f"{path}:1",
                hint=Text(f"Headings: {', '.join(COLUMNS)}.", f"表头: {'、'.join(t.zh for t in COLUMNS.values())}。"),
            )
        names.append(name)
    if not names:
        raise ConfigError(Text("has no headings.", "没有表头。"), where=str(path))
    return names


def _items(cell: str, where: str) -> Any:
    if cell.startswith("["):
        return parse_json(cell, f"{where} items")
    found = []
    for part in filter(None, (p.strip() for p in cell.split(";"))):
        steps = part.split(":", 2)
        if len(steps) != 3:
            raise ConfigError(
                Text("an item is written name:type:title.", "信息项写作 名称:类型:中文名。"), where=f"{where} items"
            )
        found.append({"name": steps[0], "type": steps[1], "title": steps[2]})
    return found
