"""The transport as Faust sees it: one virtual topic with one partition, whose messages are units.

Faust's own rebalancing, commits and offsets never see Kafka: the assignment of the virtual partition is made once and
stays, so the generation is constant, and real rebalances happen inside the poll thread.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, NoReturn, cast

from faust.transport import base
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.producer import Producer as FaustProducer
from faust.types import TP, ConsumerMessage

from schemas.errors import PermanentError
from schemas.text import Text
from stream_apps.transport.poller import Poller
from stream_apps.transport.unit import Unit

UNITS = TP("units", 0)
"""The virtual partition. No topic of this name is ever asked for."""
_GENERATION = 1


class Consumer(FaustConsumer):
    """Hands Faust one unit at a time, in the event loop."""

    _offset = 0
    _subscribed = False

    @property
    def _poller(self) -> Poller:
        return cast(Poller, cast(Any, self.app).poller)

    async def subscribe(self, topics: Iterable[str]) -> None:
        """Start polling the real source, and assign the virtual partition."""
        if set(topics) != {UNITS.topic} or self._subscribed:
            raise PermanentError(
                Text("a unit app reads the units topic alone, once.", "单元应用只能读取 units 主题, 且只能一次。"),
                where=", ".join(sorted(topics)),
            )
        self._subscribed = True
        self._arrived = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._poller.on_change(lambda: loop.call_soon_threadsafe(self._arrived.set))
        self._poller.start()
        # Faust finishes an assignment only after this very call has returned
        self.add_future(self._assign())

    async def _assign(self) -> None:
        self.app.on_rebalance_start()
        self.app.consumer_generation_id = _GENERATION
        await self.on_partitions_assigned({UNITS}, _GENERATION)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> dict[TP, list[Unit]]:
        self._arrived.clear()
        unit = self._poller.take()
        if unit is None:
            try:
                await asyncio.wait_for(self._arrived.wait(), timeout)
            except TimeoutError:
                return {}
            unit = self._poller.take()
        return {} if unit is None else {UNITS: [unit]}

    def _to_message(self, tp: TP, record: Unit) -> ConsumerMessage:
        self._offset += 1
        message = ConsumerMessage(
            tp.topic, tp.partition, self._offset, time.time(), 0, [], None, cast(Any, record), None, 0, 0, tp
        )
        # without it the stream skips the message silently
        message.generation_id = self.app.consumer_generation_id
        return message

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: one unit is out at a time, and Faust would sleep a second whenever its short queue is full."""

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    def assignment(self) -> set[TP]:
        """The virtual partition, once subscribed."""
        return {UNITS} if self._subscribed else set()

    def highwater(self, tp: TP) -> int:
        """Units delivered; the source's lag is `Feed.lag`."""
        return self._offset

    def topic_partitions(self, topic: str) -> int | None:
        """One."""
        return 1

    async def position(self, tp: TP) -> int | None:
        """Units delivered."""
        return self._offset

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Nothing to seek: the poller reads on from what the group has committed."""
        return {}

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Nothing to commit: offsets are part of the exchange's transactions."""
        return True

    async def earliest_offsets(self, *partitions: TP) -> Mapping[TP, int]:
        """Units have no history."""
        return dict.fromkeys(partitions, 0)

    async def highwaters(self, *partitions: TP) -> Mapping[TP, int]:
        """As `highwater`."""
        return dict.fromkeys(partitions, self._offset)

    async def _seek(self, partition: TP, offset: int) -> NoReturn:
        raise _refused("seek")

    async def seek_wait(self, partitions: Mapping[TP, int]) -> NoReturn:
        """Refused: units are rewound through the `Feed`."""
        raise _refused("seek_wait")

    async def create_topic(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: no Faust topic exists in Kafka."""
        raise _refused("create_topic")

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> NoReturn:
        """Refused: there are no keys."""
        raise _refused("key_partition")


class Producer(FaustProducer):
    """Faust wants one; it publishes nothing, and says so to whoever tries."""

    async def send(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise _refused("send")

    def send_soon(self, fut: Any) -> NoReturn:
        """Refused."""
        raise _refused("send_soon")

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise _refused("send_and_wait")

    async def create_topic(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused."""
        raise _refused("create_topic")


class Transport(base.Transport):
    """`exchange://`: the app must be a `UnitApp`, which carries the poller."""

    Consumer: ClassVar[type[Consumer]] = Consumer
    Producer: ClassVar[type[Producer]] = Producer

    driver_version = "exchange-bus"


def _refused(what: str) -> PermanentError:
    return PermanentError(
        Text(
            f"Faust asked the unit transport to {what}; it only delivers units.",
            f"Faust 要求单元传输执行 {what}; 它只投递单元。",
        )
    )
