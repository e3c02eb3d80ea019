"""The files sink: a grant's changes, in a journal first and then in files that a manifest lists."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa

from consumers.events import Batch
from consumers.sink import Held, Written, Zombie, check_back, must_refill
from consumers.sinks.files import manifest
from consumers.sinks.files.feed import Feed
from consumers.sinks.files.finish import finish, journal_of, sweep
from consumers.sinks.files.journal import Journal
from consumers.sinks.files.manifest import Manifest
from consumers.sinks.files.place import GrantFolder
from consumers.sinks.files.settings import FilesSettings
from consumers.view import View
from schemas.errors import ConfigError, PermanentError, TransientError
from schemas.text import Text

_MB = 1_000_000


class FilesSink:
    """See `consumers.sink.Sink` and `consumers.sink.Tended`. Of several deliverers at one grant's folder the one that opened it
    last goes on; the others get `Zombie`."""

    def __init__(self, settings: FilesSettings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._open: _Open | None = None

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Make the folder ready, and a file of what an earlier process left in its journal; the positions held."""
        self.close()
        place = GrantFolder(self._settings.folder / view.table)
        with self._failures(place.path):
            place.make()
            with place.locked(self._settings.lock_timeout_s):
                folder = self._in_force(place, view, rebuild)
                self._open = opened = _Open(place, folder, view, self._monotonic)
        return opened.held

    def write(self, batch: Batch) -> Written:
        """Append one batch to the journal, rows and positions together."""
        opened = self._opened()
        rows, deleted = opened.feed.rows(batch)
        with self._failures(opened.folder), opened.place.locked(self._settings.lock_timeout_s):
            opened.claim(batch)
            if self._due(opened):
                opened.roll()
            opened.append(batch, rows)
        return Written(len(rows) - deleted, deleted)

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back. What comes from there on is written again, after what is there: a feed only grows."""
        opened = self._opened()
        with self._failures(opened.folder), opened.place.locked(self._settings.lock_timeout_s):
            opened.claim()
            check_back(opened.view, opened.positions, positions)
            opened.go_back(positions, time.time_ns() // 1_000_000)
        return opened.held

    def tend(self, *, ending: bool = False) -> None:
        """Finish the file that is large or old enough, or at a clean end any that has rows."""
        opened = self._opened()
        if not (opened.rows if ending else self._due(opened)):
            return
        with self._failures(opened.folder), opened.place.locked(self._settings.lock_timeout_s):
            opened.claim()
            opened.roll()

    def close(self) -> None:
        """Give back the files."""
        opened, self._open = self._open, None
        if opened is not None:
            opened.journal.close()

    def _due(self, opened: _Open) -> bool:
        old = opened.since is not None and self._monotonic() - opened.since >= self._settings.roll_s
        return old or opened.journal.size >= self._settings.roll_mb * _MB

    def _in_force(self, place: GrantFolder, view: View, rebuild: bool) -> Path:
        """The generation's folder, with its manifest; of others nothing is left."""
        folder = place.current()
        held = None if folder is None else self._read(folder, rebuild)
        if folder is None or must_refill(view, None if held is None else held.origin, rebuild=rebuild):
            folder = place.fresh(view.origin.generation)
            now_ms = time.time_ns() // 1_000_000
            manifest.write(folder, manifest.begun(view, self._settings.format, now_ms))
            place.switch(folder)
        elif held is not None and held.format != self._settings.format:
            raise ConfigError(
                Text(f"this folder holds the grant as {held.format}.", f"该目录中此授权的文件格式为 {held.format}。"),
                where=str(folder),
                hint=Text("Name another folder, or use --rebuild.", "请指定其他目录, 或使用 --rebuild。"),
            )
        place.sweep()
        return folder

    @staticmethod
    def _read(folder: Path, rebuild: bool) -> Manifest | None:
        try:
            return manifest.read(folder)
        except PermanentError:
            if not rebuild:
                raise
            return None  # damaged, and to be made anew

    def _opened(self) -> _Open:
        if self._open is None:
            raise PermanentError(Text("the sink is not open.", "投递目标未打开。"), where=str(self._settings.folder))
        return self._open

    @contextmanager
    def _failures(self, path: Path) -> Iterator[None]:
        """The system's errors as ours, by name only. The journal is as it was before, and `open` says what is true."""
        try:
            yield
        except OSError as error:
            self.close()
            name = errno.errorcode.get(error.errno or 0, type(error).__name__)
            raise TransientError(
                Text(f"the folder cannot be used ({name}).", f"目录不可用({name})。"),
                where=str(path),
                hint=Text("Check free space and who may write there.", "请检查剩余空间与写入权限。"),
            ) from None
        except TransientError:
            self.close()
            raise
        except pa.ArrowException as error:
            raise PermanentError(
                Text(
                    f"the rows cannot be written as {self._settings.format} ({type(error).__name__}).",
                    f"数据行无法写为 {self._settings.format}({type(error).__name__})。",
                ),
                where=str(path),
            ) from None


class _Open:
    """One generation's folder while this process writes to it. Made and used under the folder's lock."""

    def __init__(self, place: GrantFolder, folder: Path, view: View, monotonic: Callable[[], float]) -> None:
        self.place, self.folder, self.feed = place, folder, Feed(view)
        self.view, self._monotonic = view, monotonic
        self.since: float | None = None
        held = manifest.read(folder)
        sweep(folder, held)
        self._manifest = held = finish(folder, held)
        self.positions, self.events = dict(held.positions), held.events
        self.rows = 0
        self.journal = self._next_journal()

    @property
    def held(self) -> Held:
        """What is durable."""
        return Held(dict(self.positions), self.events, self._manifest.since_ms)

    def claim(self, batch: Batch | None = None) -> None:
        """Zombie if another deliverer has opened the folder, or a batch does not go on where this one is."""
        steps = batch.steps if batch is not None else {}
        if self.place.current() != self.folder or not self.journal.untouched():
            raise Zombie(self.view, next(iter(steps), 0))
        for partition, step in steps.items():
            if self.positions.get(partition) != step.expected:
                raise Zombie(self.view, partition)

    def append(self, batch: Batch, rows: pa.RecordBatch) -> None:
        """Rows and positions, durable together."""
        self.journal.append(batch.steps, rows)
        self.positions.update({p: step.next for p, step in batch.steps.items()})
        self.events += sum(step.events for step in batch.steps.values())
        self.rows += len(rows)
        if self.rows and self.since is None:
            self.since = self._monotonic()

    def roll(self) -> None:
        """Finish the file and begin the next."""
        self._manifest = finish(self.folder, self._manifest, least=self.journal.size)
        self.rows, self.since = 0, None
        self.journal.close()
        self.journal = self._next_journal()

    def go_back(self, positions: Mapping[int, int], now_ms: int) -> None:
        """Finish the file, so that none covers offsets twice, and let the manifest say where the next one begins."""
        self.roll()
        self.positions |= positions
        self._manifest = self._manifest.model_copy(update={"positions": dict(self.positions), "since_ms": now_ms})
        manifest.write(self.folder, self._manifest)

    def _next_journal(self) -> Journal:
        return Journal(journal_of(self.folder, self._manifest.next_file), self.feed.schema)
