"""What the files sink made, read with DuckDB as its users read it: the feed, and the rows as they are now."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from consumers.catalogue import sink_for
from consumers.sinks.files.manifest import Manifest, read
from consumers.view import View

TYPES = {
    "text": "VARCHAR",
    "int": "INTEGER",
    "long": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMPTZ",
    "local": "TIMESTAMP",
    "bytes": "VARCHAR",
    "json": "JSON",
}
"""A column of CSV or JSON Lines, by its type in the manifest -> what to read it as. Parquet says so itself."""


def current(folder: Path) -> Path:
    """The files of a grant's generation in force."""
    return folder / "current"


def relation(folder: Path, manifest: Manifest) -> str:
    """SQL of what the manifest lists, as a table: exactly that, whatever else is in the folder."""
    paths = [str(folder / f.name) for f in manifest.files]
    if manifest.format == "parquet":
        return f"read_parquet({paths}, union_by_name = true)"
    columns = {c.name: _type(c) for c in manifest.columns}
    feed = manifest.feed
    own = {feed.op: "VARCHAR", feed.released_at: "TIMESTAMPTZ", feed.partition: "INTEGER", feed.offset: "BIGINT"}
    if manifest.format == "csv":
        return f"read_csv({paths}, header = true, columns = {own | columns}, allow_quoted_nulls = false, auto_detect = false)"
    return f"read_json({paths}, format = 'newline_delimited', columns = {own | columns})"


def state_query(source: str, manifest: Manifest) -> str:
    """SQL of the rows as they are now: the last change of each key, unless it is a delete."""
    feed, keys = manifest.feed, ", ".join(f'"{c.name}"' for c in manifest.columns if c.key)
    return f"""
        SELECT * EXCLUDE ("{feed.op}", "{feed.released_at}", "{feed.partition}", "{feed.offset}") FROM {source}
        QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY "{feed.offset}" DESC) = 1 AND "{feed.op}" <> 'd'"""


def ask(sql: str) -> list[dict[str, Any]]:
    """Rows as DuckDB gives them. By way of Arrow: instants as Python values would ask for one more package."""
    with duckdb.connect() as db:
        found: list[dict[str, Any]] = db.sql(sql).to_arrow_table().to_pylist()
        return found


def feed_of(folder: Path) -> list[dict[str, Any]]:
    """All changes in a generation's files, in the order of the topic."""
    manifest = read(folder)
    if not manifest.files:
        return []
    order = f'"{manifest.feed.partition}", "{manifest.feed.offset}"'
    return ask(f"SELECT * FROM {relation(folder, manifest)} ORDER BY {order}")


def state_of(folder: Path) -> list[dict[str, Any]]:
    """The rows as they are now by a generation's files."""
    manifest = read(folder)
    return ask(state_query(relation(folder, manifest), manifest)) if manifest.files else []


def state_after_a_crash(kind: str, root: Path, view: View) -> list[dict[str, Any]]:
    """The rows that are there if every process ends at this instant: a copy of the folder is opened, as a restart would."""
    there = root / view.table
    if not there.exists():
        return []
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "copy"
        shutil.copytree(there, copy / view.table, symlinks=True)
        sink = sink_for(f"{kind}:{copy}")
        sink.open(replace(view, origin=read(current(copy / view.table)).origin))
        sink.close()
        return state_of(current(copy / view.table))


def _type(column: Any) -> str:
    if column.type == "decimal" and 0 < column.precision <= 38:
        return f"DECIMAL({column.precision},{column.scale})"
    return TYPES.get(column.type, "VARCHAR")
