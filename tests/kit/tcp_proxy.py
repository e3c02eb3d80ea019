"""A TCP proxy on loopback that can cut what goes through it: silence as of a lost network, resets, or delay."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from types import TracebackType
from typing import Literal

_CHUNK = 1 << 16
_LINGER_NONE = struct.pack("ii", 1, 0)
"""A close that is a reset."""


class TcpProxy:
    """Listens on a port of its own and hands everything to `target` (a port on loopback). A context manager.

    `cut("drop")`   nothing passes in either direction and nobody is told; new connections are taken and hear nothing. What was
                    on its way arrives when it heals, as TCP would send it again.
    `cut("reset")`  every connection is reset, and so is each new one
    `slow(s)`       everything takes s seconds longer
    `heal()`        as if nothing had been
    """

    def __init__(self, target: int, port: int = 0) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._sockets: set[asyncio.StreamWriter] = set()
        self._delay = 0.0
        self._resets = False
        self._begun = threading.Event()

    def __enter__(self) -> TcpProxy:
        self._thread.start()
        self._begun.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def cut(self, how: Literal["drop", "reset"]) -> None:
        """Nothing passes from now on."""
        self._do(lambda: self._cut(how))

    def slow(self, seconds: float) -> None:
        """Everything takes longer from now on."""
        self._delay = seconds

    def heal(self) -> None:
        """Everything passes again."""
        self._do(self._heal)

    def _do(self, act: object) -> None:
        done = threading.Event()

        def run() -> None:
            act()  # type: ignore[operator]
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait()

    def _cut(self, how: str) -> None:
        if how == "drop":
            self._open.clear()
            return
        self._resets = True
        for writer in list(self._sockets):
            _reset(writer)

    def _heal(self) -> None:
        self._delay, self._resets = 0.0, False
        self._open.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._open, self._over = asyncio.Event(), asyncio.Event()
        self._open.set()
        server = await asyncio.start_server(self._connected, sock=self._listener)
        self._begun.set()
        await self._over.wait()
        server.close()
        for writer in list(self._sockets):
            _reset(writer)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sockets.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            await self._open.wait()
            if self._resets:
                return
            back, other = await asyncio.open_connection("127.0.0.1", self._target)
            self._sockets.add(other)
            await asyncio.gather(self._pump(reader, other), self._pump(back, writer))
        except OSError:
            return  # one side is gone: so is the connection
        finally:
            for end in (writer, other):
                if end is not None:
                    self._sockets.discard(end)
                    _reset(end) if self._resets else end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            if self._delay:
                await asyncio.sleep(self._delay)
            await self._open.wait()
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof() and not writer.is_closing():
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    own = writer.get_extra_info("socket")
    if own is not None and own.fileno() >= 0:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    writer.transport.abort()
