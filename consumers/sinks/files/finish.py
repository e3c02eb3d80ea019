"""From the journal to a finished file and a manifest that lists it: after a kill at any point, doing it again is right.

1. The journal is forced onto the disk, so that a file made from it can always be made again with the same rows.
2. The file is written beside its place and takes it whole.
3. The manifest that lists it and its positions takes the place of the one before: from here on the rows are in the file.
4. The journal goes. Killed before that, the next start sees from the manifest that its number is done.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import pyarrow as pa

from consumers.sinks.files import formats, journal, manifest
from consumers.sinks.files.atomic import sync, whole
from consumers.sinks.files.manifest import FileEntry, Manifest, Range
from schemas.errors import TransientError
from schemas.text import Text

_JOURNAL = ".journal-"


def journal_of(folder: Path, number: int) -> Path:
    """Where the rows of file `number` are until it is finished."""
    return folder / f"{_JOURNAL}{number:08}"


def finish(folder: Path, held: Manifest, *, least: int = 0) -> Manifest:
    """Make the file of the journal that follows `held`, and the new manifest. Without rows there is no file.

    least   bytes of the journal this process knows to be whole: TransientError if they no longer are
    """
    path = journal_of(folder, held.next_file)
    entries = journal.read(path)
    if entries.size < least:
        raise TransientError(
            Text("the journal was damaged while it was in use.", "日志在使用中被损坏。"), where=str(path)
        )
    if not entries.steps:
        return held
    sync(path)
    positions = journal.followed(entries, held.positions, path)
    events = sum(step.events for steps in entries.steps for step in steps.values())
    files = held.files
    if entries.batches and entries.schema is not None:
        table = pa.Table.from_batches(entries.batches, entries.schema)
        files += (_file(folder, held, table, positions, events),)
    done = held.model_copy(
        update={"positions": positions, "events": held.events + events, "next_file": held.next_file + 1, "files": files}
    )
    manifest.write(folder, done)
    path.unlink()
    return done


def sweep(folder: Path, held: Manifest) -> None:
    """Remove what a process that was killed left: drafts, and journals whose rows are in files."""
    for path in folder.glob(".*.tmp"):
        path.unlink()
    for path in folder.glob(f"{_JOURNAL}*"):
        if path != journal_of(folder, held.next_file):
            path.unlink()


def _file(folder: Path, held: Manifest, table: pa.Table, positions: dict[int, int], events: int) -> FileEntry:
    path = folder / f"part-{held.next_file:08}.{held.format}"
    with whole(path) as out:
        formats.write(held.format, table, out)
    with path.open("rb") as made:
        digest = hashlib.file_digest(made, "sha256").hexdigest()
    return FileEntry(
        name=path.name,
        rows=table.num_rows,
        events=events,
        bytes=path.stat().st_size,
        sha256=digest,
        partitions={
            p: Range(first=held.positions[p], next=after)
            for p, after in positions.items()
            if after != held.positions[p]
        },
    )
