"""Whether something kills the process that does it, tried out in a child made for it."""

from __future__ import annotations

import os
import resource
import signal
import warnings
from collections.abc import Callable
from typing import NoReturn

from schemas.errors import TransientError

_PATIENCE_S = 10.0
_RAISED = 70
_DEADLY = frozenset(
    {
        *(signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT, signal.SIGTRAP, signal.SIGSYS),
        signal.SIGKILL,  # the kernel's, when memory runs out
    }
)
"""Signals that prove something. SIGALRM is our own impatience, SIGTERM and SIGINT come from people."""


def dies(act: Callable[[], object]) -> bool:
    """Whether a copy of this process ends by doing `act`: killed, or by an error a worker would not survive.

    The copy has this thread alone, so a lock that another thread held may make it wait for ever: it is given 10 s, and
    what takes longer is not proven.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of just that lock
        child = os.fork()
    if child == 0:
        _try(act)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code == _RAISED or -code in _DEADLY


def _try(act: Callable[[], object]) -> NoReturn:
    """The child: nothing of it is heard of but how it ended, and it cleans nothing up, for nothing is its own."""
    code = _RAISED
    try:
        signal.set_wakeup_fd(-1)  # a signal to the child must not wake the parent's loop
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE_S)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold the record
        act()
        code = 0
    except TransientError:
        code = 0
    finally:
        os._exit(code)
