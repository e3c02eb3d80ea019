"""`async for event in AsyncSubscriber(…)`: the same for asyncio. A thread reads; the event loop is never kept waiting."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator
from types import TracebackType

from consumers.chunk import Chunk
from consumers.feed import Feed
from consumers.received import Received
from consumers.subscription import Subscription

AHEAD = 2
"""Chunks that wait to be handed out; when there are so many, reading waits."""
_LOOK_S = 0.05
_BREATH = 100
"""Items handed out in a row before other tasks get their turn."""
_LEAVE_S = 1.0
"""How long leaving waits for the thread; behind a cluster that is out of reach it ends by itself some seconds later."""


class AsyncSubscriber(Subscription):
    """`Subscriber` for asyncio: same arguments, same items, same promises.

        async with AsyncSubscriber(grant="shuiwu.enterprise.2026-001") as events:
            async for event in events:
                ...
                event.acknowledge()

    Waiting for the next item may be cancelled at any time, and goes on where it was. Acknowledging writes to a local file
    (tens of microseconds) and is no coroutine. One task iterates; `on_trouble` is called in the thread that reads.
    """

    _thread: threading.Thread | None = None

    async def __aenter__(self) -> AsyncSubscriber:
        opening = asyncio.create_task(asyncio.to_thread(self._open))
        try:
            self._feed = await asyncio.shield(opening)
        except asyncio.CancelledError:  # the thread cannot be: what it opens is given back when it has
            opening.add_done_callback(self._give_back)
            raise
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._ahead: queue.Queue[Chunk | BaseException | None] = queue.Queue(AHEAD)
        self._left = threading.Event()
        self._items: Iterator[Received] = iter(())
        self._handed, self._done = 0, False
        self._thread = threading.Thread(target=self._read, args=(self._feed,), name=f"read {self.grant}", daemon=True)
        self._thread.start()
        return self

    def __aiter__(self) -> AsyncSubscriber:
        return self

    async def __anext__(self) -> Received:
        if self._thread is None:
            raise RuntimeError("an AsyncSubscriber is used in an async with statement")
        self._handed += 1
        if self._handed % _BREATH == 0:
            await asyncio.sleep(0)
        while (received := next(self._items, None)) is None:
            self._items = self._hand_out(await self._chunk(), self._feed.withdrawn)
        return received

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.stop()
        try:
            if self._thread is not None:
                self._left.set()
                await asyncio.to_thread(self._thread.join, _LEAVE_S)
        finally:
            self._release()

    async def _chunk(self) -> Chunk:
        """The next chunk; StopAsyncIteration when there is none, and what ended the reading if something did."""
        while not self._done:
            try:
                found = self._ahead.get_nowait()
            except queue.Empty:
                self._news.clear()
                if self._ahead.empty():
                    await self._news.wait()
                continue
            if isinstance(found, list):
                return found
            self._done = True
            if found is not None:
                raise found
        raise StopAsyncIteration

    def _give_back(self, opened: asyncio.Task[Feed]) -> None:
        if opened.exception() is None:
            self._release()

    def _read(self, feed: Feed) -> None:
        """In the thread: read ahead, and say why there is no more."""
        end: BaseException | None = None
        try:
            for chunk in feed.chunks():
                self._put(chunk, feed)
        except BaseException as error:  # noqa: BLE001 - raised where the program waits
            end = error
        self._put(end, feed)
        self._left.wait()
        feed.close()

    def _put(self, what: Chunk | BaseException | None, feed: Feed) -> None:
        while not self._left.is_set():
            try:
                self._ahead.put(what, timeout=_LOOK_S)
                self._loop.call_soon_threadsafe(self._news.set)
            except queue.Full:
                feed.look_again()  # the program is slow: so that it hears of the end before all of this is handed out
                continue
            except RuntimeError:  # the event loop was closed, and this left open
                self._left.set()
            return
