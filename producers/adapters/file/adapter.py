"""The file adapter: a CSV file against what was last published, as creates, updates and deletes.

The file is read twice. The first reading judges it whole (encoding, header, quotes, keys, how much a full file would
delete) before anything is published; the second finds the differences, batch by batch. So memory stays flat, and a run
that is killed is simply run again: what was published is no difference any more.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

from producers.adapter import Batch, Rejection, event_id
from producers.adapters.file.conversion import Converter, recipe
from producers.adapters.file.mapping import FileMapping
from producers.adapters.file.reading import (
    Chunk,
    check_unchanged,
    find_encoding,
    identity,
    place_columns,
    read_chunks,
)
from producers.adapters.file.row_text import RowText
from producers.adapters.file.sighting import Sighting
from producers.adapters.file.state import Change, State
from schemas.change_event import ChangeEvent, Op, Row
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.text import Text

BATCH_ROWS = 10_000
DELETE_SHARE = 0.05
"""A full file that would delete more than this share of what is published stops and asks."""

Progress = Callable[[str, int], None]
"""Called with what is going on (`check`, `publish`, `delete`) and the number of rows done so far."""


@dataclass(frozen=True, slots=True)
class _Cells:
    """The mapped cells of rows that have as many cells as the header, their numbers, and the numbers of other rows."""

    cells: list[tuple[str, ...]]
    numbers: list[int]
    odd: list[int]

    @property
    def columns(self) -> list[Any]:
        return list(zip(*self.cells, strict=True))

    @property
    def digests(self) -> list[bytes]:
        """One digest per row. No text field may hold NUL, so no row that was published is the digest of two."""
        return [hashlib.blake2b("\0".join(row).encode(), digest_size=16).digest() for row in self.cells]


@dataclass(slots=True)
class FileCounts:
    """What a reading of the file came to, beside its events."""

    rows: int = 0
    unchanged: int = 0
    repeated: int = 0
    """Rows exactly like an earlier one of the same key."""
    nulled: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Values made null because they could not be converted, by field and reason, of the rows that are not as before."""


class FileAdapter:
    """See `Adapter`. Position: the number of transactions committed so far.

    accept_deletes  publish the deletes of a full file, however many
    snapshot        forget the state: every row is published as `r`; for a lost state file or a new cluster. A snapshot
                    that was cut short is gone on with by whoever opens the state next.
    """

    def __init__(
        self,
        mapping: FileMapping,
        file: Path,
        state: Path,
        *,
        where: str = "mapping",
        accept_deletes: bool = False,
        snapshot: bool = False,
        progress: Progress = lambda _stage, _rows: None,
        batch_rows: int = BATCH_ROWS,
    ) -> None:
        self.id = mapping.adapter
        self.resource = mapping.resource
        self.counts = FileCounts()
        self._mapping = mapping
        self._file = file
        self._path = state
        self._where = where
        self._accept_deletes = accept_deletes
        self._snapshot = snapshot
        self._progress = progress
        self._size = batch_rows
        self._state: State | None = None
        self._sighting: Sighting | None = None
        self._changes: dict[str, Change] = {}
        self._prepared: list[Change] = []

    def open(self, contract: Contract, position: str | None) -> None:
        """See `Adapter`. Judges the whole file."""
        self._contract = contract
        self._converter = Converter(self._mapping, contract, self._where)
        self._rows = RowText(contract)
        self._before = identity(self._file)
        self._encoding = find_encoding(self._file, self._mapping.encoding)
        state = self._state = State(self._path)
        state.agree(position, anew=self._snapshot)
        state.converted_by(recipe(self._mapping, contract))
        self._op = Op.READ if state.in_snapshot() else Op.CREATE
        self._serial = int(position or 0)
        sighting = self._sighting = Sighting(state)
        self._look_through(sighting)
        check_unchanged(self._file, self._before)
        self._guard_deletes(sighting)
        self._batches = self._differences(state, sighting)

    def read(self) -> Batch | None:
        """See `Adapter`."""
        return next(self._batches, None)

    def prepare(self, accepted: Sequence[ChangeEvent], position: str) -> None:
        """See `Adapter`."""
        self._prepared = [self._changes[e.event_id] for e in accepted]
        self._opened().prepare(self._prepared, position)

    def committed(self, position: str) -> None:
        """See `Adapter`."""
        self._opened().apply(position, self._prepared)
        self._serial = int(position)

    def close(self) -> None:
        """See `Adapter`."""
        if self._state is not None:
            self._state.close()
            self._state = None
        if self._sighting is not None:
            self._sighting.forget()
            self._sighting = None

    def _opened(self) -> State:
        if self._state is None:
            raise RuntimeError("the adapter is not open")
        return self._state

    def _look_through(self, sighting: Sighting) -> None:
        """Note every key of the file with its first row, and which rows are not those that were published."""
        for chunk in self._chunks():
            found = self._cells(chunk)
            keys = self._converter.keys(found.columns) if found.cells else []
            entries, unreadable = [], found.odd
            for key, number, digest in zip(keys, found.numbers, found.digests, strict=True):
                if key is None:
                    unreadable.append(number)
                else:
                    entries.append((key, number, digest))
            sighting.note(entries, unreadable)
            self.counts.rows += len(chunk.rows)
            self._progress("check", self.counts.rows)
        self.counts.unchanged = sighting.compare()
        self.counts.repeated = sighting.repeated

    def _guard_deletes(self, sighting: Sighting) -> None:
        if self._mapping.mode != "full" or self._accept_deletes:
            return
        gone, total = sighting.missing()
        if gone > total * DELETE_SHARE:
            raise ConfigError(
                Text(
                    f"this full file would delete {gone} of {total} published rows; nothing was published.",
                    f"该全量文件将删除已发布 {total} 行中的 {gone} 行; 未发布任何内容。",
                ),
                where=str(self._file),
                hint=Text(
                    "If that is right, run again with --accept-deletes; if the file holds only changes, set 'mode: increment'.",
                    "如确认无误, 请加 --accept-deletes 重新运行; 若文件仅含变更, 请设 'mode: increment'。",
                ),
            )

    def _differences(self, state: State, sighting: Sighting) -> Iterator[Batch]:
        last = sighting.last_work()
        for chunk in self._chunks() if last else ():
            if chunk.numbers[0] > last:
                break
            work = sighting.work(chunk.numbers[0], chunk.numbers[-1])
            batch = self._compared(state, chunk, work) if work else None
            if batch is not None and (batch.events or batch.rejected):
                check_unchanged(self._file, self._before)
                yield batch
            self._progress("publish", chunk.numbers[-1] - 1)
        check_unchanged(self._file, self._before)
        self._progress("publish", self.counts.rows)
        self.counts.nulled = self._converter.nulled
        if self._mapping.mode == "full":
            yield from self._deletes(sighting)
        state.finish_snapshot()

    def _compared(self, state: State, chunk: Chunk, work: dict[int, bool]) -> Batch:
        """What became of the rows of a chunk that need a look (`work`: whether their key came before)."""
        found = self._cells(chunk, work)
        rejected = [Rejection(n, None, "cells") for n in found.odd]
        rejected += [Rejection(n, None, "duplicate_key") for n, repeat in work.items() if repeat]
        rows, unreadable = self._converter.rows(found.columns, found.numbers) if found.cells else ([], [])
        rejected += unreadable
        keys = self._converter.keys(found.columns) if found.cells else []
        good: list[tuple[int, Row, Change]] = []
        for key, row, number, digest in zip(keys, rows, found.numbers, found.digests, strict=True):
            if row is None:
                continue
            if key is None:
                rejected += [Rejection(number, k, "required") for k in self._contract.key if row[k] is None]
            else:
                good.append((number, row, Change(key, self._rows.write(row), digest)))
        return self._batch(state, good, rejected)

    def _batch(self, state: State, good: list[tuple[int, Row, Change]], rejected: list[Rejection]) -> Batch:
        published = state.published([change.key for _, _, change in good])
        position = str(self._serial + 1)
        events: list[ChangeEvent] = []
        numbers: list[int | None] = []
        same: list[tuple[bytes, str]] = []
        self._changes = {}
        for number, row, change in good:
            old = published.get(change.key)
            before = None if old is None else self._rows.read(old)
            if old == change.row or (before is not None and before == self._rows.read(change.row or "")):
                same.append((change.digest or b"", change.key))
                continue
            op = self._op if before is None else Op.UPDATE
            event = self._event(op, before, row, f"{position}/{number}", position, len(events))
            self._changes[event.event_id] = change
            events.append(event)
            numbers.append(number)
        self.counts.unchanged += len(same)
        state.same_row(same)
        return Batch(events, numbers, rejected, position)

    def _deletes(self, sighting: Sighting) -> Iterator[Batch]:
        last, done = "", 0
        while gone := sighting.next_missing(last, self._size):
            position = str(self._serial + 1)
            events = [
                self._event(Op.DELETE, self._rows.read(row), None, position, position, n)
                for n, (_, row) in enumerate(gone)
            ]
            self._changes = {e.event_id: Change(key, None, None) for e, (key, _) in zip(events, gone, strict=True)}
            yield Batch(events, [None] * len(events), [], position)
            last, done = gone[-1][0], done + len(gone)
            self._progress("delete", done)

    def _event(self, op: Op, before: Row | None, after: Row | None, at: str, position: str, n: int) -> ChangeEvent:
        row = after if after is not None else before or {}
        return ChangeEvent(
            op=op,
            key={k: row[k] for k in self._contract.key},
            before=before,
            after=after,
            event_id=event_id(self.id, self.resource, position, n),
            source=self.id,
            position=at,
        )

    def _cells(self, chunk: Chunk, wanted: dict[int, bool] | None = None) -> _Cells:
        """The mapped cells of a chunk; of the `wanted` rows only (less those whose key came before), if given."""
        found = _Cells([], [], [])
        for number, row in zip(chunk.numbers, chunk.rows, strict=True):
            if wanted is not None and wanted.get(number, True):
                continue
            if len(row) == self._width:
                found.cells.append(self._pick(row))
                found.numbers.append(number)
            else:
                found.odd.append(number)
        return found

    def _chunks(self) -> Iterator[Chunk]:
        """The rows behind the header."""
        chunks = read_chunks(self._file, self._encoding, self._mapping.delimiter, self._size)
        header = next(chunks, Chunk([1], [[]])).rows[0]
        places = place_columns(self._file, header, self._converter.columns)
        only = places[0]  # itemgetter of one place gives no tuple
        self._pick: Callable[[list[str]], tuple[str, ...]] = (
            itemgetter(*places) if len(places) > 1 else lambda row: (row[only],)
        )
        self._width = len(header)
        return chunks
