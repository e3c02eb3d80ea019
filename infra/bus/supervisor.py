"""Parent and child: a worker that dies unexpectedly is started again, one that cannot start is not.

The child holds the reading end of a pipe whose writing end only the parent has: when the parent dies, however that
happens, the child sees the end of the pipe and ends in order (`end_with_parent`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

SUPERVISED = "BUS_SUPERVISED"
"""Set in a child's environment to the file descriptor of its end of the pipe."""

FIRST_WAIT_S, LONGEST_WAIT_S, HEALTHY_S, STOP_S = 0.2, 10.0, 30.0, 15.0
GIVE_UP = frozenset({0, 2, 130})
"""Exit codes that starting again would not change: done, a mistake in the settings, interrupted."""

MALLOC = {
    # glibc returns and re-maps the large buffers of every batch unless told to keep what was freed
    "MALLOC_TRIM_THRESHOLD_": str(1 << 29),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 29),
    "MALLOC_TOP_PAD_": str(1 << 25),
}

OnRestart = Callable[[int, float], None]
"""Told the exit code (negative: the signal that killed it) and the seconds until the next start."""


def supervise(command: Sequence[str], environment: Mapping[str, str], on_restart: OnRestart) -> int:
    """Run `command` until it ends for good or this process is asked to stop; the exit code.

    Waits double from 0.2 to 10 s, and begin anew after a run of 30 s. KeyboardInterrupt (also for SIGTERM, see
    `infra.bus.main`) ends the child in order, by force after 15 s, and its exit code is returned.
    """
    wait_s = FIRST_WAIT_S
    while True:
        began = time.monotonic()
        code, asked_to_stop = _run_once(command, environment)
        if asked_to_stop or code in GIVE_UP:
            return max(code, 0)
        if time.monotonic() - began >= HEALTHY_S:
            wait_s = FIRST_WAIT_S
        on_restart(code, wait_s)
        time.sleep(wait_s)
        wait_s = min(wait_s * 2, LONGEST_WAIT_S)


def _run_once(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, bool]:
    """The child's exit code, and whether it ended because this process was asked to stop."""
    mine, its = os.pipe()[::-1]
    try:
        child = subprocess.Popen(command, env={**environment, **MALLOC, SUPERVISED: str(its)}, pass_fds=(its,))
    except BaseException:
        os.close(mine)
        raise
    finally:
        os.close(its)
    try:
        return child.wait(), False
    except KeyboardInterrupt:
        child.terminate()
        with suppress(subprocess.TimeoutExpired):  # it had its time and is killed below
            return child.wait(STOP_S), True
        return 1, True
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        os.close(mine)


def end_with_parent(environment: Mapping[str, str]) -> bool:
    """In a supervised child: leave Ctrl-C to the parent, and end when the parent is gone. Whether this is such a child."""
    given = environment.get(SUPERVISED)
    if given is None:
        return False
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def wait() -> None:
        with suppress(OSError):
            os.read(int(given), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="end-with-parent", daemon=True).start()
    return True
