"""A call of the producer that does not come back ends the process, because nothing else would.

librdkafka's `send_offsets_to_transaction` may hang for good when the group's coordinator went away and came back, whatever timeout it
is given (its issues 5456 and 5511). The call cannot be ended; a process that takes the transactional.id over can go on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from schemas.errors import TransientError
from schemas.text import Text
from stream_apps.exchange.outbox import CALL_S, Outbox

_LOOK_S = 0.5


class HangWatch:
    """Looks at the outbox in a thread of its own. `failed` is told, once, of a call that is out longer than `CALL_S`."""

    def __init__(self, outbox: Outbox, failed: Callable[[BaseException], None]) -> None:
        self._outbox, self._failed = outbox, failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hang-watch", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            since = self._outbox.calling_since
            if since is not None and time.monotonic() - since > CALL_S:
                self._failed(
                    TransientError(
                        Text(
                            f"a call of the producer has not come back for {CALL_S:g} s, longer than its timeout.",
                            f"生产者调用已 {CALL_S:g} 秒未返回, 超出其时限。",
                        ),
                        where=self._outbox.transaction,
                        hint=Text("The supervisor starts a new process.", "由监管进程重新启动。"),
                    )
                )
                return
