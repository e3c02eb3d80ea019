"""When a subscriber got its last record: as a client of its own, and as the deliverer's database shows it."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from consumers.naming import table_name
from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.ids import own_groups
from schemas.text import Text

_LOOK_S = 0.005


class _Seen:
    """Something watched from a thread while the block runs. `last`: `time.perf_counter` seconds."""

    def __init__(self, name: str) -> None:
        self.last = 0.0
        self._name = name
        self._first: float | None = None
        self._stop, self._came = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, name="bench-seen", daemon=True)

    def first(self, limit_s: float) -> float:
        """When the first record came. TransientError if none does within `limit_s` seconds."""
        if not self._came.wait(limit_s) or self._first is None:
            raise TransientError(Text("no record came.", "未收到任何记录。"), where=self._name)
        return self._first

    def _note(self) -> None:
        self.last = time.perf_counter()
        if self._first is None:
            self._first = self.last
            self._came.set()

    def _watch(self) -> None:
        raise NotImplementedError

    def _enter(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()


class Reading(_Seen):
    """A client of the subscriber's own on partition 0 of a grant's topic, from its beginning, with fetch settings of its own."""

    def __init__(self, settings: Settings, subscriber: str, topic: str, more: dict[str, Any]) -> None:
        super().__init__(topic)
        self.position = 0
        """Offset after the last record it was given."""
        self._consumer = Consumer(consumer_config(settings, own_groups(subscriber) + "bench", **more))
        self._topic = topic

    def __enter__(self) -> Reading:
        self._consumer.assign([TopicPartition(self._topic, 0, 0)])
        self._enter()
        return self

    def _watch(self) -> None:
        while not self._stop.is_set():
            offsets = [
                o for m in self._consumer.consume(2_000, 0.01) if m.error() is None and (o := m.offset()) is not None
            ]
            if offsets:
                self.position = offsets[-1] + 1
                self._note()
        self._consumer.close()


class FileWatch(_Seen):
    """A deliverer's SQLite file: when it was last written to."""

    def __init__(self, path: Path, grant: str) -> None:
        super().__init__(grant)
        self._path, self._table = path, table_name(grant)

    def __enter__(self) -> FileWatch:
        self._enter()
        return self

    def _watch(self) -> None:
        rows = 0
        while not self._stop.wait(_LOOK_S):
            with suppress(sqlite3.OperationalError):  # the deliverer has not made file or table yet
                rows = self._grown(rows)

    def _grown(self, rows: int) -> int:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
            while not self._stop.wait(_LOOK_S):
                found = int(db.execute(f'SELECT coalesce(max(rowid), 0) FROM "{self._table}"').fetchone()[0])
                if found != rows:
                    rows = found
                    self._note()
        return rows
