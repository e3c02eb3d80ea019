"""The files sink passes the conformance suite in each format; what it promises of files holds."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from consumers.catalogue import sink_for
from consumers.sink import Sink
from consumers.sinks.files.manifest import read
from consumers.values import json_text
from consumers.view import Kind, View
from tests.kit.change_files import current, state_after_a_crash
from tests.kit.sink_conformance import SinkConformance


class FilesTarget:
    """A folder. Its rows are those a crash at that instant leaves, replayed by DuckDB."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self.folder = kind, folder

    def sink(self) -> Sink:
        return sink_for(f"{self.kind}:{self.folder}")

    def rows(self, view: View) -> list[dict[str, Any]]:
        return state_after_a_crash(self.kind, self.folder, view)

    def titles(self, view: View) -> Mapping[str, str]:
        manifest = read(current(self.folder / view.table))
        return {"": manifest.title} | {c.name: c.title for c in manifest.columns if c.title}

    def stored(self, kind: Kind, value: Any) -> Any:
        if kind == "json":
            return json_text(value)
        if kind == "timestamp":
            return value.replace(tzinfo=dt.UTC)
        return base64.b64encode(value).decode() if kind == "bytes" and self.kind != "parquet" else value


class TestParquetSink(SinkConformance):
    sees_rows = False

    @pytest.fixture
    def target(self, tmp_path: Path) -> FilesTarget:
        return FilesTarget("parquet", tmp_path / "delivery")


class TestCsvSink(SinkConformance):
    sees_rows = False

    @pytest.fixture
    def target(self, tmp_path: Path) -> FilesTarget:
        return FilesTarget("csv", tmp_path / "delivery")


class TestJsonLinesSink(SinkConformance):
    sees_rows = False

    @pytest.fixture
    def target(self, tmp_path: Path) -> FilesTarget:
        return FilesTarget("jsonl", tmp_path / "delivery")
