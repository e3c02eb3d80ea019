"""The policy in force, kept newest by a thread with a consumer of its own, outside the group (DESIGN 4.4, 4.5)."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from infra.runtime.policy_log import PolicyReader
from schemas.policy_state import PolicyState

_POLL_S = 0.02
"""Also how long a question to the thread may wait."""


class PolicyWatch:
    """`start` once (reads the log to its end first), `stop` once. Every other method may be called from any thread.

    turn     called in the thread after each look at the log, at least every 20 ms
    failed   called with what ended the thread: a log that is not whole, or whatever `turn` raised
    """

    def __init__(self, reader: PolicyReader, turn: Callable[[], None], failed: Callable[[BaseException], None]) -> None:
        self._reader = reader
        self._turn, self._failed = turn, failed
        self._asked: queue.SimpleQueue[tuple[int, Future[PolicyState]]] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="policy", daemon=True)
        self._state = PolicyState()

    @property
    def state(self) -> PolicyState:
        """The newest state there is."""
        return self._state

    def start(self) -> None:
        """Read to the end, then follow. Raises what `PolicyReader.read_to_end` raises."""
        self._state = self._reader.read_to_end()
        self._thread.start()

    def at_end(self, at_least: int) -> PolicyState:
        """The state once the log has been read to the end it has now, and at least to an epoch.

        Raises TransientError if that does not succeed in time, PermanentError if the log is not whole.
        """
        answer: Future[PolicyState] = Future()
        self._asked.put((at_least, answer))
        return answer.result(timeout=30)

    def stop(self) -> None:
        """End the thread and give the consumer back."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._reader.close()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self._answer()
                self._state = self._reader.poll(_POLL_S)
                self._turn()
        except BaseException as error:  # noqa: BLE001 - without news of revocations the process must not go on
            self._failed(error)

    def _answer(self) -> None:
        while not self._asked.empty():
            at_least, answer = self._asked.get()
            try:
                self._state = self._reader.read_to_end(at_least)
                answer.set_result(self._state)
            except Exception as error:  # noqa: BLE001 - it is the asker's to handle
                answer.set_exception(error)
