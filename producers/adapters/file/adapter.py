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
from pathlib import Path

from producers.adapter import Batch, Rejection, event_id
from producers.adapters.file.conversion import Converter
from producers.adapters.file.mapping import FileMapping
from producers.adapters.file.reading import check_unchanged, find_encoding, identity, place_columns, read_rows
from producers.adapters.file.row_text import RowText
from producers.adapters.file.state import State
from schemas.change_event import ChangeEvent, Op, Row
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.keys import key_text
from schemas.text import Text

BATCH_ROWS = 10_000
MAX_BATCH_CHARS = 16 << 20
DELETE_SHARE = 0.05
"""A full file that would delete more than this share of what is published stops and asks."""

Progress = Callable[[str, int], None]
"""Called with what is going on (`check`, `publish`, `delete`) and the number of rows done so far."""

_Entry = tuple[int, list[str]]


@dataclass(slots=True)
class FileCounts:
    """What a reading of the file came to, beside its events."""

    rows: int = 0
    unchanged: int = 0
    repeated: int = 0
    """Rows exactly like an earlier one of the same key."""
    nulled: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Values made null because they could not be converted, by field and reason."""


class FileAdapter:
    """See `Adapter`. Position: the number of transactions committed so far.

    accept_deletes  publish the deletes of a full file, however many
    snapshot        forget the state: every row is published as `r`; for a lost state file or a new cluster
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
        self._texts: dict[str, str | None] = {}

    def open(self, contract: Contract, position: str | None) -> None:
        """See `Adapter`. Judges the whole file."""
        self._contract = contract
        self._converter = Converter(self._mapping, contract, self._where)
        self._rows = RowText(contract)
        self._before = identity(self._file)
        self._encoding = find_encoding(self._file, self._mapping.encoding)
        self._state = State(self._path)
        self._state.agree(position, anew=self._snapshot)
        self._serial = int(position or 0)
        self._look_through(self._state)
        check_unchanged(self._file, self._before)
        self._guard_deletes(self._state)
        self._batches = self._differences(self._state)

    def read(self) -> Batch | None:
        """See `Adapter`."""
        return next(self._batches, None)

    def prepare(self, accepted: Sequence[ChangeEvent], position: str) -> None:
        """See `Adapter`."""
        names = self._contract.key
        keys = (key_text([e.key[k] for k in names]) for e in accepted)
        self._opened().prepare(((k, self._texts[k]) for k in keys), position)

    def committed(self, position: str) -> None:
        """See `Adapter`."""
        self._opened().apply(position)
        self._serial = int(position)

    def close(self) -> None:
        """See `Adapter`."""
        if self._state is not None:
            self._state.close()
            self._state = None

    def _opened(self) -> State:
        if self._state is None:
            raise RuntimeError("the adapter is not open")
        return self._state

    def _look_through(self, state: State) -> None:
        """Note every key of the file with its first row."""
        state.forget_seen()
        done = 0
        for chunk in self._chunks():
            cells, numbers, _ = self._cells(chunk)
            entries = []
            for number, row in zip(numbers, cells, strict=True):
                key = self._converter.key(row)
                if key is not None:
                    entries.append((key_text(key), number, _digest(row)))
            state.see(entries)
            done += len(chunk)
            self._progress("check", done)

    def _guard_deletes(self, state: State) -> None:
        if self._mapping.mode != "full" or self._accept_deletes:
            return
        gone, total = state.missing()
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

    def _differences(self, state: State) -> Iterator[Batch]:
        for chunk in self._chunks():
            batch = self._compared(state, chunk)
            self.counts.rows += len(chunk)
            if batch.events or batch.rejected:
                check_unchanged(self._file, self._before)
                yield batch
            self._progress("publish", self.counts.rows)
        check_unchanged(self._file, self._before)
        self.counts.nulled = self._converter.nulled
        if self._mapping.mode == "full":
            yield from self._deletes(state)

    def _compared(self, state: State, chunk: list[_Entry]) -> Batch:
        cells, numbers, rejected = self._cells(chunk)
        rows, unreadable = self._converter.rows(cells, numbers) if cells else ([], [])
        rejected += unreadable
        good: list[tuple[str, int, Row]] = []
        firsts = self._firsts(state, cells)
        for row, number, row_cells in zip(rows, numbers, cells, strict=True):
            key = self._key_of(row)
            if row is None or key is None:
                rejected += [Rejection(number, k, "required") for k in self._contract.key if row and row[k] is None]
                continue
            first, digest = firsts[key]
            if first == number:
                good.append((key, number, row))
            elif digest == _digest(row_cells):
                self.counts.repeated += 1
            else:
                rejected.append(Rejection(number, None, "duplicate_key"))
        return self._batch(state, good, rejected)

    def _firsts(self, state: State, cells: list[list[str]]) -> dict[str, tuple[int, bytes]]:
        keys = (self._converter.key(row) for row in cells)
        return state.first_rows([key_text(k) for k in keys if k is not None])

    def _batch(self, state: State, good: list[tuple[str, int, Row]], rejected: list[Rejection]) -> Batch:
        published = state.published([key for key, _, _ in good])
        position = str(self._serial + 1)
        events: list[ChangeEvent] = []
        numbers: list[int | None] = []
        self._texts = {}
        for key, number, row in good:
            text = self._rows.write(row)
            old = published.get(key)
            if old is not None and (old == text or self._rows.read(old) == self._rows.read(text)):
                self.counts.unchanged += 1
                continue
            self._texts[key] = text
            op = Op.UPDATE if old is not None else Op.READ if self._snapshot else Op.CREATE
            before = None if old is None else self._rows.read(old)
            events.append(self._event(op, before, row, position, number, len(events)))
            numbers.append(number)
        return Batch(events, numbers, rejected, position)

    def _deletes(self, state: State) -> Iterator[Batch]:
        last, done = "", 0
        while gone := state.next_missing(last, self._size):
            position = str(self._serial + 1)
            events = [
                self._event(Op.DELETE, self._rows.read(row), None, position, 0, n) for n, (_, row) in enumerate(gone)
            ]
            self._texts = {key: None for key, _ in gone}
            yield Batch(events, [None] * len(events), [], position)
            last, done = gone[-1][0], done + len(gone)
            self._progress("delete", done)

    def _event(self, op: Op, before: Row | None, after: Row | None, position: str, number: int, n: int) -> ChangeEvent:
        row = after if after is not None else before or {}
        return ChangeEvent(
            op=op,
            key={k: row[k] for k in self._contract.key},
            before=before,
            after=after,
            event_id=event_id(self.id, self.resource, position, n),
            source=self.id,
            position=f"{position}/{number}" if number else position,
        )

    def _key_of(self, row: Row | None) -> str | None:
        if row is None:
            return None
        parts = [row[k] for k in self._contract.key]
        return None if any(p is None for p in parts) else key_text(parts)

    def _cells(self, chunk: list[_Entry]) -> tuple[list[list[str]], list[int], list[Rejection]]:
        """The mapped cells of the rows that have as many cells as the header, their numbers, and the other rows."""
        cells, numbers, rejected = [], [], []
        for number, row in chunk:
            if len(row) == self._width:
                cells.append([row[i] for i in self._places])
                numbers.append(number)
            else:
                rejected.append(Rejection(number, None, "cells"))
        return cells, numbers, rejected

    def _chunks(self) -> Iterator[list[_Entry]]:
        """The rows behind the header, in batches bounded by rows and characters."""
        rows = read_rows(self._file, self._encoding, self._mapping.delimiter)
        header = next(rows, (1, []))[1]
        self._places = place_columns(self._file, header, self._converter.columns)
        self._width = len(header)
        chunk: list[_Entry] = []
        chars = 0
        for entry in rows:
            chunk.append(entry)
            chars += sum(map(len, entry[1]))
            if len(chunk) >= self._size or chars > MAX_BATCH_CHARS:
                yield chunk
                chunk, chars = [], 0
        if chunk:
            yield chunk


def _digest(cells: Sequence[str]) -> bytes:
    return hashlib.blake2b("\x1f".join(cells).encode("utf-8", "surrogatepass"), digest_size=16).digest()
