"""Who a process is: its number and when it was created, so that a number used again is never taken for the old process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil
from pydantic import BaseModel, ConfigDict

from schemas.errors import PermanentError
from schemas.text import Text

_SAME_S = 5.0
"""Creation times are computed from the clock of the reader; a small step of that clock does not make another process."""

_PR_SET_PDEATHSIG = 1
_KILLED_S = 10.0
_LOOK_EVERY_S = 0.02


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
    """Ask the processes to end, wait up to `deadline_s` seconds, kill what is left and wait until it is gone.

    PermanentError if the kernel does not end one even so (it hangs in a device).
    """
    ids = list(ids)
    left = _after(ids, psutil.Process.terminate, deadline_s)
    left = _after(left, psutil.Process.kill, _KILLED_S)
    if left:
        numbers = ", ".join(str(found.pid) for found in left)
        raise PermanentError(Text(f"process {numbers} cannot be killed.", f"无法结束进程 {numbers}。"))


def _after(ids: list[ProcessId], act: Callable[[psutil.Process], None], deadline_s: float) -> list[ProcessId]:
    """Do `act` to each; who still lives at the deadline. A zombie has ended, whether or not its parent looks at it."""
    for found in ids:
        process = found.process()
        if process is not None:
            with suppress(psutil.NoSuchProcess):  # it ended by itself, which is what was wanted
                act(process)
    until = time.monotonic() + deadline_s
    while (left := [found for found in ids if found.alive]) and time.monotonic() < until:
        time.sleep(_LOOK_EVERY_S)
    return left


def die_with(parent: int, how: signal.Signals) -> Callable[[], None] | None:
    """For `preexec_fn`: the child gets the signal `how` when the thread that started it ends, `kill -9` included.

    `parent` is the starter's pid. Linux only; None elsewhere.
    """
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None, use_errno=True)

    def before_exec() -> None:
        library.prctl(_PR_SET_PDEATHSIG, how)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return before_exec
