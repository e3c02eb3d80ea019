"""Who a process is: its number and when it was created, so that a number used again is never taken for the old process."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import psutil
from pydantic import BaseModel, ConfigDict

_SAME_S = 5.0
"""Creation times are computed from the clock of the reader; a small step of that clock does not make another process."""


class ProcessId(BaseModel):
    """A process on this machine. `created` is its creation time in seconds since 1970."""

    model_config = ConfigDict(frozen=True)

    pid: int
    created: float

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The process that has this number now. psutil.NoSuchProcess if none has."""
        return cls(pid=pid, created=psutil.Process(pid).create_time())

    def process(self) -> psutil.Process | None:
        """The process if it lives; a zombie does not."""
        try:
            process = psutil.Process(self.pid)
            other = abs(process.create_time() - self.created) > _SAME_S
            return None if other or process.status() == psutil.STATUS_ZOMBIE else process
        except psutil.NoSuchProcess:
            return None

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process() is not None


def stop(ids: Iterable[ProcessId], deadline_s: float) -> None:
    """Ask the processes to end, wait up to `deadline_s` seconds, kill what is left and wait until it is gone."""
    living = [process for process in (pid.process() for pid in ids) if process is not None]
    for process in living:
        _quietly(process.terminate)
    _gone, left = psutil.wait_procs(living, timeout=deadline_s)
    for process in left:
        _quietly(process.kill)
    psutil.wait_procs(left)


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except psutil.NoSuchProcess:
        return  # it ended by itself, which is what was wanted
