"""The Excel sink passes the conformance suite, read back by another library; nothing in a workbook acts or loses digits."""

from __future__ import annotations

import base64
import csv
import datetime as dt
import io
import json
import os
import stat
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from python_calamine import CalamineWorkbook

from consumers.catalogue import sink_for
from consumers.events import Batch
from consumers.sink import Held, Sink, Tended, Written
from consumers.sinks.excel.cells import CUT, MOST_CHARACTERS, cell_of, harmless
from consumers.sinks.excel.settings import ExcelSettings
from consumers.sinks.excel.sink import ExcelSink
from consumers.values import json_text
from consumers.view import Column, Kind, Terms, View
from schemas.errors import ConfigError, PermanentError, TransientError
from tests.kit.sink_conformance import SinkConformance, a_view, batch, event

TERMS = Terms("综合治税 & 核查", "条例", dt.date(2026, 1, 1), dt.date(2026, 12, 31))


class Tending:
    """The sink as the runner treats it at a clean end, after every write: the workbook is what is looked at."""

    def __init__(self, sink: ExcelSink) -> None:
        self.sink = sink

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        held = self.sink.open(view, rebuild=rebuild)
        self.sink.tend(ending=True)
        return held

    def write(self, batch: Batch) -> Written:
        written = self.sink.write(batch)
        self.sink.tend(ending=True)
        return written

    def rewind(self, positions: Mapping[int, int]) -> Held:
        return self.sink.rewind(positions)

    def close(self) -> None:
        self.sink.close()


class ExcelTarget:
    """A workbook."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def sink(self) -> Sink:
        made = sink_for(f"excel:{self.path}")
        assert isinstance(made, ExcelSink) and isinstance(made, Tended)
        return Tending(made)

    def rows(self, view: View) -> list[dict[str, Any]]:
        heading, *rows = sheet(self.path, "数据")
        assert heading == [c.title or c.field for c in view.columns]
        return [{c.name: seen(c, cell) for c, cell in zip(view.columns, row, strict=True)} for row in rows]

    def titles(self, view: View) -> Mapping[str, str]:
        heading = sheet(self.path, "数据")[0]
        titled = {c.name: title for c, title in zip(view.columns, heading, strict=True) if title != c.field}
        return titled | {"": about(self.path)["数据 / Data"]}

    def stored(self, kind: Kind, value: Any) -> Any:
        if kind == "json":
            return json_text(value)
        if kind == "bytes":
            return base64.b64encode(value).decode()
        if kind == "timestamp":
            return value + dt.timedelta(hours=8)
        if kind == "decimal" or value == 2**63 - 1:
            return str(value)  # sixteen digits and more are text
        return value


def sheet(path: Path, name: str) -> list[list[Any]]:
    return CalamineWorkbook.from_path(path).get_sheet_by_name(name).to_python(skip_empty_area=False)


def about(path: Path) -> dict[str, Any]:
    return {row[0]: row[1] for row in sheet(path, "说明")}


def seen(column: Column, cell: Any) -> Any:
    """A blank is null, except in a key, which has none; a whole key is text."""
    if column.key:
        return int(cell) if column.kind == "long" else cell
    return None if cell == "" else cell


class TestExcelSink(SinkConformance):
    shared = False

    @pytest.fixture
    def target(self, tmp_path: Path) -> ExcelTarget:
        return ExcelTarget(tmp_path / "delivery" / "shuiwu.xlsx")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "shuiwu.xlsx"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def filled(path: Path, view: View, *rows: Mapping[str, Any], **more: Any) -> None:
    """A workbook with rows of `a_view`-like events."""
    sink = ExcelSink(ExcelSettings(path=path, **more))
    sink.open(view)
    sink.write(batch(*(event("c", str(n), n, row) for n, row in enumerate(rows))))
    sink.tend(ending=True)
    sink.close()


ACTING = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    " =1+1",
    "\u3000@SUM(A1)",
    '=HYPERLINK("http://x")',
    "{=1}",
]
PLAIN = [
    "+86 139-0000-0000",
    "-",
    "-5",
    "(0851) 8698",
    "黔A·12345",
    "'quoted'",
    "http://example.cn",
    "00123",
    "1E5",
    "_x0041_",
]


def test_a_text_that_could_be_a_formula_is_text_even_after_csv(path: Path) -> None:
    filled(path, a_view(), *({"name": text} for text in [*ACTING, *PLAIN]))
    cells = [row[1] for row in sheet(path, "数据")[1:]]
    found = dict(zip([*ACTING, *PLAIN], [cells[i] for i in by_key(len(cells))], strict=True))
    assert {text: found[text] for text in PLAIN} == {text: text for text in PLAIN}
    assert [found[t] for t in ACTING[:-1]] == ["'" + t for t in ACTING[:-1]]
    assert found["{=1}"] == "{=1}"
    out = io.StringIO()
    csv.writer(out).writerows([[cell] for cell in cells])
    again = [row[0] for row in csv.reader(io.StringIO(out.getvalue()))]
    assert [t for t in again if t.startswith(("=", "@", "\t", "\r", "＝"))] == []
    with zipfile.ZipFile(path) as parts:
        written = "".join(parts.read(n).decode() for n in parts.namelist() if n.endswith(".xml"))
    assert "<f>" not in written
    assert "<hyperlink" not in written
    assert 'quotePrefix="1"' in written


@pytest.mark.parametrize(
    "text", ["a\0b", "\x01", "x\x0by", "a\rb", "\x7f\x85", " lead", "trail \n", '<&>"]]>', "_x0000_", "\u202e甲"]
)
def test_characters_that_xml_lacks_come_back_as_they_were(path: Path, text: str) -> None:
    filled(path, a_view(), {"name": text})
    assert sheet(path, "数据")[1][1] == text


@pytest.mark.parametrize("text", ["\ufffe", "\uffff"])
def test_characters_that_are_none_do_not_break_the_workbook(path: Path, text: str) -> None:
    filled(path, a_view(), {"name": text})
    with zipfile.ZipFile(path) as parts:
        ElementTree.fromstring(parts.read("xl/worksheets/sheet2.xml"))


def by_key(many: int) -> list[int]:
    """Where the rows 0, 1, 2 … stand: keys are text, and sorted so."""
    order = sorted(str(n) for n in range(many))
    return [order.index(str(n)) for n in range(many)]


def test_identifiers_keep_every_digit(path: Path) -> None:
    columns = [Column("id", "id", "text", True, "身份证号"), Column("n", "n", "long", False, "数")]
    sink = ExcelSink(ExcelSettings(path=path))
    sink.open(a_view(columns=columns))
    sink.write(batch(event("c", "520103198502280011", 0, {"n": 10**15 - 1}), event("c", "00", 1, {"n": -(10**15)})))
    sink.tend(ending=True)
    sink.close()
    assert sheet(path, "数据") == [["身份证号", "数"], ["00", "-1000000000000000"], ["520103198502280011", 10**15 - 1]]


def test_the_first_sheet_and_every_header_say_for_what_and_how_long(path: Path) -> None:
    ended = replace(TERMS, destroy_by=dt.date(2027, 1, 31))
    filled(path, replace(a_view(), terms=TERMS), {"name": "甲"})
    found = about(path)
    assert found["授权编号 / Grant"] == "s.r.2026-001 (g1)"
    assert found["使用目的 / Purpose"] == "综合治税 & 核查"
    assert found["有效期 / Valid"] == "2026-01-01 – 2026-12-31"
    assert "销毁" in found["销毁期限 / Destroy by"]
    assert found["行数 / Rows"] == "1"
    with zipfile.ZipFile(path) as parts:
        sheets = [parts.read(f"xl/worksheets/sheet{n}.xml").decode() for n in (1, 2)]
    for text in sheets:
        assert "仅限用于: 综合治税 &amp;&amp; 核查" in text
        assert "s.r.2026-001 有效期至 2026-12-31" in text
    filled(path.with_name("b.xlsx"), replace(a_view(), terms=ended), {})
    assert about(path.with_name("b.xlsx"))["销毁期限 / Destroy by"] == "2027-01-31"


def test_headings_are_frozen_and_filtered(path: Path) -> None:
    filled(path, a_view(), {}, {})
    with zipfile.ZipFile(path) as parts:
        text = parts.read("xl/worksheets/sheet2.xml").decode()
    assert 'ySplit="1"' in text
    assert 'state="frozen"' in text
    assert '<autoFilter ref="A1:C3"' in text


def test_rows_beyond_a_sheet_go_to_further_sheets(path: Path) -> None:
    filled(path, a_view(), *({} for _ in range(7)), rows_per_sheet=3)
    assert CalamineWorkbook.from_path(path).sheet_names == ["说明", "数据", "数据 2", "数据 3"]
    rows = [[r[0] for r in sheet(path, name)] for name in ("数据", "数据 2", "数据 3")]
    assert rows == [["编号", "0", "1", "2"], ["编号", "3", "4", "5"], ["编号", "6"]]


def test_the_workbook_waits_for_quiet_but_not_for_ever(path: Path) -> None:
    clock = Clock()
    sink = ExcelSink(ExcelSettings(path=path, quiet_s=2, oldest_s=10), clock)
    sink.open(a_view())
    for second in range(10):
        clock.now = second
        sink.write(batch(event("c", str(second), second), start=second))
        sink.tend()
        assert not path.exists()
    clock.now = 10
    sink.tend()
    assert len(sheet(path, "数据")) == 11
    sink.write(batch(event("c", "x", 10), start=10))
    clock.now = 11.9
    sink.tend()
    assert len(sheet(path, "数据")) == 11
    clock.now = 12
    sink.tend()
    assert len(sheet(path, "数据")) == 12
    before = path.stat().st_ino
    clock.now = 99
    sink.tend(ending=True)
    assert path.stat().st_ino == before, "nothing changed, nothing written"
    sink.close()


def test_positions_alone_do_not_write_it_anew(path: Path) -> None:
    filled(path, a_view(), {})
    sink = ExcelSink(ExcelSettings(path=path))
    sink.open(a_view())
    sink.tend(ending=True)
    before = path.stat().st_ino
    sink.write(batch(start=1, end=5))
    sink.tend(ending=True)
    sink.close()
    assert path.stat().st_ino == before


def test_a_workbook_is_replaced_whole_and_keeps_who_may_read_it(path: Path) -> None:
    filled(path, a_view(), {"name": "甲"})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    left = path.parent / ".shuiwu.xlsx.killed.draft"
    left.mkdir()
    (left / "half").write_text("x")
    with path.open("rb") as reader:
        sink = ExcelSink(ExcelSettings(path=path))
        sink.open(a_view())
        sink.tend(ending=True)
        sink.close()
        assert len(CalamineWorkbook.from_filelike(io.BytesIO(reader.read())).sheet_names) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert sorted(p.name for p in path.parent.iterdir()) == ["shuiwu.db", "shuiwu.xlsx"]


def test_a_workbook_that_cannot_be_written_is_transient_and_the_rows_are_safe(path: Path) -> None:
    sink = ExcelSink(ExcelSettings(path=path))
    sink.open(a_view())
    sink.write(batch(event("c", "1", 0)))
    path.mkdir()
    with pytest.raises(TransientError, match="workbook cannot be written"):
        sink.tend(ending=True)
    path.rmdir()
    assert sink.open(a_view()).positions == {0: 1}
    sink.tend(ending=True)
    sink.close()
    assert len(sheet(path, "数据")) == 2


def test_another_grants_workbook_is_refused_and_left_as_it_was(path: Path) -> None:
    filled(path, a_view(), {"name": "甲"})
    before = path.read_bytes()
    with pytest.raises(PermanentError, match=r"another grant, s\.r\.2026-001"):
        ExcelSink(ExcelSettings(path=path)).open(replace(a_view(), grant="s.r.2026-002", table="other"))
    assert path.read_bytes() == before


def test_a_path_that_is_no_workbook_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match=r"ends in \.xlsx"):
        sink_for("excel:rows.csv")


def column(kind: Kind) -> Column:
    return Column("x", "x", kind, False, "", 20, 2)


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("date", "1900-02-28", "1900-02-28"),
        ("date", "1900-03-01", dt.date(1900, 3, 1)),
        ("local", "1899-12-31T10:00:00", "1899-12-31T10:00:00"),
        ("timestamp", "2026-11-24T16:30:00.000000Z", dt.datetime.fromisoformat("2026-11-25T00:30:00")),
        ("timestamp", "9999-12-31T23:59:59.000000Z", "9999-12-31T23:59:59.000000Z"),
        ("decimal", "0.10", 0.1),
        ("decimal", "-123456789012345.6", "-123456789012345.6"),
        ("double", float("inf"), "inf"),
        ("boolean", 0, False),
    ],
)
def test_a_value_is_typed_where_excel_keeps_it_and_text_where_not(kind: Kind, value: Any, cell: Any) -> None:
    found = cell_of(column(kind), value)
    assert (found, type(found)) == (cell, type(cell))


def test_a_text_too_long_for_a_cell_is_cut_and_says_so(path: Path) -> None:
    fits, long = "𠮷" * (MOST_CHARACTERS // 2), "𠮷" * MOST_CHARACTERS
    assert cell_of(column("text"), fits) == fits
    cut = cell_of(column("text"), long)
    assert isinstance(cut, str) and cut.endswith(CUT)
    filled(path, a_view(), {"name": fits}, {"name": long})
    assert [row[1] for row in sheet(path, "数据")[1:]] == [fits, cut]


def test_nothing_harmless_is_changed() -> None:
    assert [harmless(t) for t in PLAIN] == PLAIN
    assert harmless("") == ""


def test_drafts_are_made_beside_the_workbook_and_nowhere_else(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = path.parent / "tmp"
    elsewhere.mkdir()
    monkeypatch.setenv("TMPDIR", str(elsewhere))
    elsewhere.chmod(0o700)
    filled(path, a_view(), *({"name": json.dumps(n)} for n in range(50)))
    assert os.listdir(elsewhere) == []  # noqa: PTH208 - what is there, not paths
    assert Decimal(len(sheet(path, "数据"))) == 51


CHILD = """
import resource, sys
from pathlib import Path
from consumers.sinks.excel.settings import ExcelSettings
from consumers.sinks.excel.sink import ExcelSink
from schemas.errors import TransientError
from tests.kit.sink_conformance import a_view
sink = ExcelSink(ExcelSettings(path=Path(sys.argv[1])))
sink.open(a_view())
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    sink.tend(ending=True)
except TransientError as error:
    print(error)
"""


@pytest.mark.parametrize("room", [200, 3_000, 12_000])
def test_a_disk_without_room_is_transient_and_leaves_the_old_workbook_and_no_draft(path: Path, room: int) -> None:
    filled(path, a_view(), {"name": "甲"})
    sink = ExcelSink(ExcelSettings(path=path))
    sink.open(a_view())
    sink.write(batch(*(event("c", f"x{n}", n, {"name": os.urandom(40).hex()}) for n in range(1, 400)), start=1))
    # in a process of its own: a file that may not grow is its limit's, and XlsxWriter leaves its own to the collector
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), str(room)], capture_output=True, text=True, check=True
    )
    assert "workbook cannot be written: File too large" in child.stdout
    assert len(sheet(path, "数据")) == 2
    assert list(path.parent.glob(".*")) == []
    sink.tend(ending=True)
    sink.close()
    assert len(sheet(path, "数据")) == 401
