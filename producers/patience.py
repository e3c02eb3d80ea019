"""How long a run goes on trying when something is out of reach, and when it says so instead."""

from __future__ import annotations

import time
from collections.abc import Callable

from producers import telemetry
from schemas.errors import TransientError

UNREACHED_S = 10.0
"""Seconds of trying after which a run that never reached the cluster gives up: the address is wrong, or nothing runs."""
INTERRUPTED_S = 60.0
"""Seconds without progress after which a run that had reached it gives up: long enough for a broker to start again."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0


class Patience:
    """Of one run. `wait` sleeps (seconds); `clock` tells seconds."""

    def __init__(
        self, resource: str, wait: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._resource = resource
        self._wait = wait
        self._clock = clock
        self._limit = UNREACHED_S
        self.progress()

    def reached(self) -> None:
        """The cluster has answered once: from now on a failure is an interruption."""
        self._limit = INTERRUPTED_S

    def progress(self) -> None:
        """Something was achieved: patience begins anew."""
        self._failures = 0
        self._spent = 0.0
        self._since = self._clock()

    def again(self, error: TransientError) -> None:
        """Return when it is time to try again; raise `error` if that would be too late."""
        self._failures += 1
        seconds = min(_FIRST_WAIT_S * 2 ** (self._failures - 1), _LONGEST_WAIT_S)
        self._spent += self._clock() - self._since + seconds
        if self._spent > self._limit:
            raise error
        telemetry.retried(self._resource, error, self._failures, seconds)
        self._wait(seconds)
        self._since = self._clock()
