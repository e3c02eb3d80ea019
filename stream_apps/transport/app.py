# ruff: noqa: ARG001 - signatures are Faust's
"""A Faust app on units: made, given its handler, run to its end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Any

import faust
from faust.tables import TableManager
from mode import CrashingSupervisor

from stream_apps.transport.driver import UNITS
from stream_apps.transport.handler import HandlerThread
from stream_apps.transport.poller import Poller
from stream_apps.transport.source import Source
from stream_apps.transport.unit import Unit

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _AsIs(faust.Schema[Any, Any]):
    """Units pass through undecoded."""

    def compile(self, app: Any, **kwargs: Any) -> Any:
        """The decoder of a stream: the message's value is the event."""

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return app.create_event(None, message.value, [], message)

        return decode


class _NoTables(TableManager):
    """Starts without the pause Faust makes for tables to register."""

    async def sleep(self, n: Any, *, loop: Any = None) -> None:
        """No wait."""
        await asyncio.sleep(0)


class UnitApp(faust.App):
    """A Faust app whose one stream is the units of a source."""

    poller: Poller
    """The `Feed` of this app's handler."""

    def _create_directories(self) -> None:
        """Faust would make folders for tables where the process was started; there are no tables."""


def create_app(name: str, source: Source) -> UnitApp:
    """A Faust app that reads units from `source` over our transport. No topic of Faust's own is made or used in Kafka."""
    app = UnitApp(
        name,
        broker="exchange://source",
        autodiscover=False,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        stream_wait_empty=False,
        stream_buffer_maxsize=1,
        stream_recovery_delay=0.0,
        worker_redirect_stdouts=False,
        broker_commit_interval=3600.0,  # there is nothing to commit
        agent_supervisor=CrashingSupervisor,
        TableManager=_NoTables,
    )
    app.poller = Poller(source)
    return app


def on_units(app: UnitApp, handle: Callable[[Unit], None]) -> None:
    """Run `handle` on each unit, one at a time, in one thread of its own. It ends by calling `done` or `rewind` of
    `app.poller`; whatever it raises ends the process (`run_app` raises it)."""
    worker = HandlerThread(handle, app.poller.fail)

    async def units(stream: Any) -> None:
        async for unit in stream:
            await worker.run(unit)

    topic = app.topic(UNITS.topic, schema=_AsIs(), acks=False, partitions=1)
    app.agent(topic, name="units", concurrency=1)(units)


def run_app(app: UnitApp) -> None:
    """Run until SIGTERM or SIGINT, then finish the unit in flight and leave the group. Raises what ended it otherwise.

    Call it in the main thread; it makes and closes its own event loop, and leaves logging and standard output alone.
    """
    asyncio.run(_run(app))


async def _run(app: UnitApp) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop.set)
    watch = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(_failure(app))]
    try:
        await app.start()
        watch.append(asyncio.ensure_future(app.wait_until_stopped()))
        await asyncio.wait(watch, return_when=asyncio.FIRST_COMPLETED)
        if app.crashed:
            app.poller.fail(app.crash_reason or RuntimeError("the Faust app crashed"))
        await asyncio.to_thread(app.poller.stop)
    finally:
        for task in watch:
            task.cancel()
        await app.stop()
        for number in _STOP_SIGNALS:
            loop.remove_signal_handler(number)
    if app.poller.error is not None:
        raise app.poller.error


async def _failure(app: UnitApp) -> None:
    """Ends when the source has failed."""
    while app.poller.error is None:
        await asyncio.sleep(0.1)
