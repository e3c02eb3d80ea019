"""The journal of the file that is being filled: what was written and how far the topic was read, in one append.

A journal is a row of frames, each with a checksum. The first holds the Arrow schema; every other one holds the positions a
batch moved and the batch itself. A process killed in the middle of an append leaves a frame that is not whole: it was never
acknowledged, and reading stops before it. Appends are not forced onto the disk one by one. A power cut may take the last
ones, rows and positions together, and they are read from the topic again.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from consumers.events import Step
from schemas.errors import PermanentError
from schemas.text import Text

_HEAD = struct.Struct("<4sIII")
_MAGIC = b"busJ"
_ALIGN = 64
"""Arrow reads a batch in place if it begins at a multiple of this."""


class Journal:
    """One open journal, appended to by one process. `size` is the length of what is whole."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        path.unlink(missing_ok=True)
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        self.size = 0
        try:
            self._append(b"", schema.serialize())
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, steps: Mapping[int, Step], rows: pa.RecordBatch) -> None:
        """Add a batch's rows and positions, all or nothing. OSError if there is no room."""
        self._append(json.dumps({str(p): s for p, s in steps.items()}).encode(), rows.serialize() if len(rows) else b"")

    def untouched(self) -> bool:
        """Whether the file is still this one, as this process left it: a later deliverer puts another in its place."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        return (there.st_ino, there.st_size) == (os.fstat(self._fd).st_ino, self.size)

    def close(self) -> None:
        """Give back the file. May be called twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _append(self, steps: bytes, body: Any) -> None:
        steps = steps.ljust(-(-(_HEAD.size + max(1, len(steps))) // _ALIGN) * _ALIGN - _HEAD.size)
        rest = b"\0" * (-len(memoryview(body)) % _ALIGN)
        content = b"".join((steps, memoryview(body), rest))
        frame = memoryview(_HEAD.pack(_MAGIC, len(steps), len(content) - len(steps), zlib.crc32(content)) + content)
        try:
            done = 0
            while done < len(frame):
                done += os.pwrite(self._fd, frame[done:], self.size + done)
        except BaseException:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(frame)


@dataclass(frozen=True, slots=True)
class Entries:
    """What a journal holds: its schema (None if not even that is whole), its batches in order, and the bytes that are whole."""

    schema: pa.Schema | None
    batches: list[pa.RecordBatch]
    steps: list[dict[int, Step]]
    size: int


def read(path: Path) -> Entries:
    """Everything before the first frame that is not whole. The batches stay in the file and are mapped, not loaded."""
    if not path.exists() or not path.stat().st_size:
        return Entries(None, [], [], 0)
    with pa.memory_map(str(path)) as source:
        whole = source.read_buffer()
    frames = _frames(whole)
    first = next(frames, None)
    if first is None:
        return Entries(None, [], [], 0)
    schema, size = pa.ipc.read_schema(first[1]), first[2]
    batches, steps = [], []
    for moved, body, end in frames:
        steps.append({int(p): Step(*step) for p, step in json.loads(bytes(moved)).items()})
        if body.size:
            batches.append(pa.ipc.read_record_batch(body, schema))
        size = end
    return Entries(schema, batches, steps, size)


def followed(entries: Entries, positions: Mapping[int, int], path: Path) -> dict[int, int]:
    """The positions the entries lead to from `positions`. PermanentError if they begin somewhere else."""
    now = dict(positions)
    for steps in entries.steps:
        for partition, step in steps.items():
            if now.get(partition) != step.expected:
                raise PermanentError(
                    Text("the journal does not go on where its manifest ends.", "日志与清单的位点不衔接。"),
                    where=f"{path}[{partition}]",
                    hint=Text("Deliver once with --rebuild.", "请使用 --rebuild 重新投递。"),
                )
            now[partition] = step.next
    return now


def _frames(whole: pa.Buffer) -> Iterator[tuple[pa.Buffer, pa.Buffer, int]]:
    """Steps, body and end of each whole frame."""
    at = 0
    while at + _HEAD.size <= whole.size:
        magic, steps, body, crc = _HEAD.unpack(whole.slice(at, _HEAD.size))
        begin, end = at + _HEAD.size, at + _HEAD.size + steps + body
        if magic != _MAGIC or end > whole.size or zlib.crc32(whole.slice(begin, steps + body)) != crc:
            return
        yield whole.slice(begin, steps), whole.slice(begin + steps, body), end
        at = end
