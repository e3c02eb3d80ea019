"""Keys that came after this worker started: the custodian is asked again when the control log speaks of keys not here.

In a thread of its own, because a custodian may take seconds, and neither records nor revocations wait for it. Until the keys
are here, grants under them are withheld; when they are, these get what they missed by a replay.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from schemas.errors import BusError
from schemas.key_ring import KeyRing
from schemas.policy_state import PolicyState
from stream_apps.exchange import telemetry
from stream_apps.exchange.views import lacking
from stream_apps.exchange.worker import Exchange

_LOOK_S = 0.1
_FIRST_S, _LONGEST_S = 0.5, 30.0
"""Between two questions to the custodian that brought no answer."""


class KeyWatch:
    """`start` once, `stop` once.

    load    asks the custodian (`infra.runtime.custodian`)
    failed  called with what ended the thread
    """

    def __init__(
        self, exchange: Exchange, load: Callable[[], KeyRing], failed: Callable[[BaseException], None]
    ) -> None:
        self._exchange, self._load, self._failed = exchange, load, failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keys", daemon=True)
        self._seen: PolicyState | None = None
        self._again_at, self._wait_s = 0.0, _FIRST_S

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the question in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_LOOK_S):
                self.look(time.monotonic())
        except BaseException as error:  # noqa: BLE001 - the process must end with it
            self._failed(error)

    def look(self, now_s: float) -> None:
        """Ask the custodian if the newest state needs it, at once for a new state, then at growing distances."""
        state, ring = self._exchange.policy.state, self._exchange.tools.book.ring
        if state is not self._seen:
            self._seen, self._wait_s, self._again_at = state, _FIRST_S, now_s
        elif now_s < self._again_at:
            return
        if not lacking(ring, state):
            self._again_at = float("inf")
            return
        self._again_at, self._wait_s = now_s + self._wait_s, min(self._wait_s * 2, _LONGEST_S)
        try:
            found = self._load()
            found.verify(state.keys)
        except BusError as error:
            telemetry.keys_not_renewed(error)
            return
        if found != ring:
            self._exchange.renew(found)
            telemetry.keys_renewed(len(found.secrets), found.current)
