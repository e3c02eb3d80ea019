"""The file adapter passes the suite of all adapters."""

from __future__ import annotations

from pathlib import Path

import pytest

from producers.adapters.file.adapter import FileAdapter
from producers.adapters.file.mapping import Column, FileMapping
from schemas.contract import Contract, parse_contract
from tests.kit.adapter_conformance import AdapterConformance


class CsvSource:
    def __init__(self, folder: Path) -> None:
        self.file = folder / "data.csv"
        self.file.write_text("编号,值\n" + "".join(f"k{n},{n}\n" for n in range(50)), encoding="utf-8")
        self.state = folder / "home" / "state" / "adapters" / "a.db"
        self.contract: Contract = parse_contract(
            {
                "type": "record",
                "name": "Row",
                "resource": {"id": "d.rows", "title": {"zh": "行", "en": "Rows"}, "provider": "d", "key": ["code"],
                             "sharing": "conditional"},
                "fields": [{"name": "code", "type": "string"}, {"name": "value", "type": "int"}],
            }
        )  # fmt: skip
        columns = {"code": Column(column="编号"), "value": Column(column="值")}
        self.mapping = FileMapping(adapter="a", resource="d.rows", mode="full", columns=columns)

    def adapter(self) -> FileAdapter:
        return FileAdapter(self.mapping, self.file, self.state, batch_rows=15)


class TestFileAdapter(AdapterConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> CsvSource:
        return CsvSource(tmp_path)
