"""How fast a subscriber's deliveries may go together: a quota of the deliverer's own, beside the broker's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BURST_S = 0.25
"""What may come at once after a pause, as seconds of the rate: quotas bound the load, they do not make it lumpy."""


class Pace:
    """At most `most_per_s` records a second, shared by all deliveries it is given to (None: as many as come).

    Safe to share between threads. `room` says how many may be read now, and `took` is told how many were.
    """

    def __init__(self, most_per_s: float | None = None, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._monotonic = most_per_s, monotonic
        self._lock = threading.Lock()
        self._held, self._at = self._burst, monotonic()

    @property
    def _burst(self) -> float:
        return max(1.0, (self._rate or 0) * BURST_S)

    def room(self, most: int) -> int:
        """How many records may be read now, `most` at most."""
        if self._rate is None:
            return most
        with self._lock:
            now = self._monotonic()
            self._held = min(self._burst, self._held + (now - self._at) * self._rate)
            self._at = now
            return max(0, min(most, int(self._held)))

    def took(self, records: int) -> None:
        """So many were read. Deliveries that read at the same time may together go below nothing; the next wait is longer then."""
        if self._rate is not None:
            with self._lock:
                self._held -= records

    def wait_s(self) -> float:
        """How long until there is room for one, at most a tenth of a second: who waits also listens for the grant's end."""
        if self._rate is None:
            return 0.0
        with self._lock:
            return min(0.1, max(0.001, (1 - self._held) / self._rate))
