"""The next batch is read and decoded while the sink writes the one at hand: a database's wait is a reader's time.

At most one batch is ahead, and nothing about the order of things changes. What is read ahead counts as not read until `poll`
hands it out; until then it moves no position, and an error in reading it is raised where it would have been, after the batches
before it. If the grant has ended meanwhile, it is forgotten and read again, now under an ended grant's rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Protocol

from consumers.events import Batch
from consumers.grant_end import GrantEnd

BULK = 1_000
"""Records of a batch from which on reading ahead pays. A reader that keeps up gets smaller ones: for it nothing changes."""


class Reads(Protocol):
    """What is asked of a `GrantReader`."""

    ended: GrantEnd | None

    @property
    def at_end(self) -> bool:
        """Whether everything in the topic was handed out."""
        ...

    @property
    def lag(self) -> int:
        """Offsets that have not been read yet."""
        ...

    @property
    def told(self) -> dict[int, int]:
        """The positions that the batches handed out so far come to."""
        ...

    @property
    def over(self) -> bool:
        """Whether the grant's generation has ended by now."""
        ...

    def poll(self, *, most: int) -> Batch | None:
        """The next batch."""
        ...

    def back_to(self, told: Mapping[int, int]) -> None:
        """Read on from there."""
        ...

    def settle(self) -> Batch | None:
        """Positions that were not told yet."""
        ...


class ReadAhead:
    """A grant's batches in order, for one thread. The reader, opened and started, is this one's until `close`, and stays open.

    ended, at_end and lag are the reader's as of the batch handed out last. Raises what the reader raises.
    """

    def __init__(self, reader: Reads) -> None:
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, "read-ahead")  # no thread before something is read ahead
        self._under_way: Future[Batch | None] | None = None
        self._told: dict[int, int] = {}
        self._look()

    def poll(self, most: int) -> Batch | None:
        """The batch that was read ahead, else the next one of `most` records at most. None if nothing came."""
        batch = self._reader.poll(most=most) if self._under_way is None else self._taken(self._under_way, most)
        self._look()
        return batch

    def read_on(self, after: Batch, most: int) -> None:
        """Begin to read what comes after the batch at hand, if it shows that there is more; 0 records: nothing."""
        if most and len(after.records) >= BULK and not self.at_end and self.ended is None:
            self._told = self._reader.told
            self._under_way = self._thread.submit(self._reader.poll, most=most)

    def settle(self) -> Batch | None:
        """Positions that passed transaction markers and were not told yet; what is being read ahead has told all before it."""
        return self._reader.settle() if self._under_way is None else None

    def close(self) -> None:
        """Wait for what is being read ahead, and forget it: nobody asked for it, so neither its error counts."""
        self._thread.shutdown()

    def __enter__(self) -> ReadAhead:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _taken(self, read: Future[Batch | None], most: int) -> Batch | None:
        wait([read])
        self._under_way = None
        if self._reader.ended is None and self._reader.over:  # it was, or may have been, read before that was known
            self._reader.back_to(self._told)
            return self._reader.poll(most=most)
        return read.result()

    def _look(self) -> None:
        self.ended, self.at_end, self.lag = self._reader.ended, self._reader.at_end, self._reader.lag
