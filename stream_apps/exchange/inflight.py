"""What is under judgement at this moment, where the death of the process cannot take it: one page of a file, in memory.

A slice costs a few stores into a shared mapping. They are the kernel's as soon as they are made, so they outlive the
process however it dies; nothing is forced to disk, because a machine that fails has not met a poisonous record.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from dataclasses import dataclass
from pathlib import Path

from schemas.ids import resource_of
from stream_apps.transport.unit import Place

_SIZE = 512
_STATE, _PARTITION, _START, _END, _ALONE, _TOPIC_SIZE = range(6)
_TOPIC = 48
"""Where the topic begins: after the numbers, eight bytes each."""
_NOTHING, _LIVE, _HISTORY = range(3)
NOBODY = -1


@dataclass(frozen=True, slots=True)
class Judging:
    """Records of a partition under judgement: offsets [start, end), and which one of them alone (None: all together)."""

    place: Place
    start: int
    end: int
    alone: int | None
    history: bool


class InFlight:
    """One worker's page. Whoever holds the exchange's lock writes it."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: where it is kept, 0600; None: nowhere, for a worker that nobody starts again under its name.

        OSError if it cannot be written; BlockingIOError if another process that lives has it.
        """
        self._path = path
        self._map = mmap.mmap(-1, _SIZE) if path is None else _mapped(path)
        self._bytes = memoryview(self._map)
        self._numbers = self._bytes[:_TOPIC].cast("q")

    def begin(self, place: Place, start: int, end: int, alone: int, history: bool) -> None:
        """These records, from now on; `alone` NOBODY if there are several. The state is written last, so that a death in
        between leaves nothing rather than nonsense."""
        numbers, topic = self._numbers, place.topic.encode()
        numbers[_STATE] = _NOTHING
        numbers[_PARTITION], numbers[_START], numbers[_END] = place.partition, start, end
        numbers[_ALONE], numbers[_TOPIC_SIZE] = alone, len(topic)
        self._bytes[_TOPIC : _TOPIC + len(topic)] = topic
        numbers[_STATE] = _HISTORY if history else _LIVE

    def name(self, offset: int) -> None:
        """Of the records begun, this one alone, from now on."""
        self._numbers[_ALONE] = offset

    def end(self) -> None:
        """Nothing is under judgement."""
        self._numbers[_STATE] = _NOTHING

    def found(self) -> Judging | None:
        """What was begun and has not ended."""
        state, partition, start, end, alone, size = self._numbers.tolist()
        if state not in (_LIVE, _HISTORY) or not 0 < size <= _SIZE - _TOPIC:
            return None
        topic = bytes(self._bytes[_TOPIC : _TOPIC + size]).decode(errors="replace")
        try:
            resource_of(topic)
        except ValueError:  # half a page, of a machine that failed
            return None
        return Judging(Place(topic, partition), start, end, None if alone == NOBODY else alone, state == _HISTORY)

    def close(self) -> None:
        """Let another process have it; what has not ended stays written."""
        self._numbers.release()
        self._bytes.release()
        self._map.close()

    def forget(self) -> None:
        """Close, and leave nothing behind."""
        self.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def private_folder(path: Path) -> None:
    """Make a folder that only its owner may open, and those above it that are missing. OSError as it comes."""
    for folder in reversed([path, *path.parents]):
        folder.mkdir(mode=0o700, exist_ok=True)
    path.chmod(0o700)


def _mapped(path: Path) -> mmap.mmap:
    """The page, held by this process (the mapping keeps a descriptor of its own, and with it the lock)."""
    private_folder(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.posix_fallocate(descriptor, 0, _SIZE)  # a full disk is an error here, and not a SIGBUS later
        return mmap.mmap(descriptor, _SIZE)
    finally:
        os.close(descriptor)
