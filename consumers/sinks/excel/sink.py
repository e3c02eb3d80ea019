"""The Excel sink: rows and positions in a SQLite file, and a workbook written anew from it when there is time."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from xlsxwriter.exceptions import FileCreateError

from consumers.events import Batch
from consumers.sink import Held, Written
from consumers.sinks.excel.settings import ExcelSettings
from consumers.sinks.excel.workbook import write_workbook
from consumers.sinks.sqlite import ddl
from consumers.sinks.sqlite.file import failures
from consumers.sinks.sqlite.settings import SqliteSettings
from consumers.sinks.sqlite.sink import SqliteSink
from consumers.view import View
from schemas.errors import PermanentError, TransientError
from schemas.reading_words import of_system
from schemas.text import Text

_PATIENCE = 10
"""While rows keep coming, writing workbooks takes at most about a tenth of the time."""


class ExcelSink:
    """See `consumers.sink.Sink` and `Tended`. One grant for each workbook."""

    def __init__(self, settings: ExcelSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings, self._monotonic = settings, monotonic
        self._rows = SqliteSink(SqliteSettings(path=settings.rows))
        self._behind_since: float | None = None
        self._changed_at = self._took = 0.0

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Positions held. The workbook is due: it may have been left behind."""
        self._must_be_alone(view)
        held = self._rows.open(view, rebuild=rebuild)
        self._view = view
        self._changed()
        return held

    def write(self, batch: Batch) -> Written:
        """Apply a batch to the rows; the workbook follows."""
        written = self._rows.write(batch)
        if batch.records:
            self._changed()
        return written

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back; the workbook stays as it is until rows come again."""
        return self._rows.rewind(positions)

    def tend(self, *, ending: bool = False) -> None:
        """Write the workbook if it is behind, and it is quiet, late, or the end."""
        if self._behind_since is None:
            return
        now = self._monotonic()
        quiet = now - self._changed_at >= self._settings.quiet_s
        late = now - self._behind_since >= max(self._settings.oldest_s, _PATIENCE * self._took)
        if quiet or late or ending:
            self._publish()
            self._took = self._monotonic() - now
            self._behind_since = None

    def close(self) -> None:
        """Give back the file."""
        self._rows.close()

    def _changed(self) -> None:
        self._changed_at = self._monotonic()
        if self._behind_since is None:
            self._behind_since = self._changed_at

    def _publish(self) -> None:
        """The whole workbook under another name, then in place of the old one: nobody ever opens half of one."""
        path = self._settings.path
        try:
            for left in path.parent.glob(f".{path.name}.*.draft"):
                shutil.rmtree(left)  # of a process that was killed
            with tempfile.TemporaryDirectory(prefix=f".{path.name}.", suffix=".draft", dir=path.parent) as folder:
                draft = Path(folder) / path.name
                write_workbook(
                    draft, self._view, self._stored(), dt.datetime.now(dt.UTC), self._settings.rows_per_sheet
                )
                draft.chmod(stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600)
                with draft.open("rb") as file:
                    os.fsync(file.fileno())
                draft.replace(path)
        except (OSError, FileCreateError) as error:
            why = of_system(error if isinstance(error, OSError) else error.args[0])
            raise TransientError(
                Text(f"the workbook cannot be written: {why.en}.", f"工作簿无法写入: {why.zh}。"),
                where=str(path),
                hint=Text("Close it where it is open, and check free space.", "请关闭已打开的该文件并检查剩余空间。"),
            ) from None

    def _stored(self) -> Iterator[tuple[Any, ...]]:
        view, order = self._view, ", ".join(ddl.quoted(c.name) for c in self._view.key)
        names = ", ".join(ddl.quoted(c.name) for c in view.columns)
        # one statement reads one state of the file, whoever writes to it meanwhile
        with failures(self._settings.rows), closing(_read_only(self._settings.rows)) as db:
            yield from db.execute(f"SELECT {names} FROM {ddl.quoted(view.table)} ORDER BY {order}")

    def _must_be_alone(self, view: View) -> None:
        """PermanentError if the workbook is another grant's."""
        rows = self._settings.rows
        if not rows.exists():
            return
        with failures(rows), closing(_read_only(rows)) as db:
            held = db.execute("SELECT 1 FROM sqlite_master WHERE name = '_bus_views'").fetchone()
            other = held and db.execute("SELECT grant_id FROM _bus_views WHERE grant_id <> ?", (view.grant,)).fetchone()
        if other:
            raise PermanentError(
                Text(f"the workbook holds another grant, {other[0]}.", f"该工作簿已用于另一授权 {other[0]}。"),
                where=str(self._settings.path),
                hint=Text("Give each grant a workbook of its own.", "请为每个授权使用单独的工作簿。"),
            )


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)
