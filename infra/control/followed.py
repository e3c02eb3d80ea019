"""A log followed from turn to turn by a process that stays: what was read once is not read again."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from infra.runtime.log import LogReader
from infra.runtime.settings import Settings

S = TypeVar("S")


class Followed(Generic[S]):
    """Opened when it is asked first, and anew after it failed. One thread at a time; a context that gives back connections."""

    def __init__(self, opened: Callable[[Settings], LogReader[S]]) -> None:
        self._opened = opened
        self._reader: LogReader[S] | None = None

    def state(self, settings: Settings) -> S:
        """Everything that is in the log by now. Raises what `LogReader.read_to_end` raises; ask again."""
        try:
            if self._reader is None:
                self._reader = self._opened(settings)
            return self._reader.read_to_end()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give back the connections; the next question opens it anew."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def __enter__(self) -> Followed[S]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
