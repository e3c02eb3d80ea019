"""Where units are handled: one thread, beside the event loop.

A daemon thread, and not the loop's executor: Python waits for an executor's threads before it exits, so a handler that
hangs could not be ended by the watchdog.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue

from stream_apps.transport.unit import Unit


class HandlerThread:
    """Runs a function on one unit after the other."""

    def __init__(self, handle: Callable[[Unit], None], fail: Callable[[BaseException], None]) -> None:
        self._handle, self._fail = handle, fail
        self._units: SimpleQueue[tuple[Unit, Callable[[], object]]] = SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="units-handler", daemon=True)

    async def run(self, unit: Unit) -> None:
        """Returns once the function has; never if it raises, because then the process ends."""
        if not self._thread.is_alive():
            self._thread.start()
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        self._units.put((unit, lambda: loop.call_soon_threadsafe(ended.set)))
        await ended.wait()

    def _loop(self) -> None:
        while True:
            unit, ended = self._units.get()
            try:
                self._handle(unit)
            except BaseException as error:  # noqa: BLE001 - native code panics with a BaseException
                self._fail(error)
                return
            ended()
