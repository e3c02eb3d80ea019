"""The asyncio form hands out the same as the other one, can be cancelled at any time, and keeps the loop free."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from consumers import AsyncSubscriber, Event, GenerationStarted, GrantEnded, Subscriber
from consumers.async_subscriber import AHEAD
from consumers.feed import MOST
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.kit.grant_feed import GrantFeed


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique)
    made.open()
    return made


def program(feed: GrantFeed, tmp_path: Path, **more: Any) -> AsyncSubscriber:
    given: dict[str, Any] = {"settings": feed.settings, "ledger": tmp_path / "own.ledger", "until": "caught_up"}
    return AsyncSubscriber(feed.grant_id, **(given | more))


def test_it_hands_out_the_same_as_the_other_form_and_goes_on_where_it_stopped(feed: GrantFeed, tmp_path: Path) -> None:
    feed.send([("c", str(i), {"amount": i}) for i in range(3_000)])

    async def read() -> list[Any]:
        async with program(feed, tmp_path) as events:
            out = []
            async for event in events:
                out.append(event)
                if len(out) == 2_001:
                    event.acknowledge()
            return out

    first = asyncio.run(read())
    with Subscriber(feed.grant_id, settings=feed.settings, ledger=tmp_path / "other", until="caught_up") as events:
        other = list(events)
    assert isinstance(first[0], GenerationStarted)
    assert [e.after for e in first[1:]] == [e.after for e in other[1:]]
    assert len(first) == 3_001
    assert [e.after["amount"] for e in asyncio.run(read())] == list(range(2_000, 3_000))


def test_waiting_may_be_cancelled_and_goes_on_without_loss(feed: GrantFeed, tmp_path: Path) -> None:
    async def read() -> list[str]:
        out: list[str] = []
        async with program(feed, tmp_path, until="ended") as events:
            assert isinstance(await anext(events), GenerationStarted)
            for number in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(anext(events), 0.3)
                await asyncio.to_thread(feed.send, [("c", str(number), None)])
                event = await asyncio.wait_for(anext(events), 20)
                assert isinstance(event, Event)
                out.append(event.key["id"])
            feed.end()
            assert isinstance(await asyncio.wait_for(anext(events), 20), GrantEnded)
            with pytest.raises(StopAsyncIteration):
                await anext(events)
        return out

    assert asyncio.run(read()) == ["0", "1", "2"]


def test_a_cancelled_task_leaves_no_thread_and_gives_the_ledger_back(feed: GrantFeed, tmp_path: Path) -> None:
    async def follow(reached: asyncio.Event) -> None:
        async with program(feed, tmp_path, until="ended") as events:
            async for _ in events:
                reached.set()

    async def run() -> None:
        reached = asyncio.Event()
        task = asyncio.create_task(follow(reached))
        await asyncio.wait_for(reached.wait(), 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with program(feed, tmp_path):
            pass

    asyncio.run(run())
    assert not [t for t in threading.enumerate() if t.name == f"read {feed.grant_id}"]


def test_a_slow_task_holds_reading_back_and_others_get_their_turn(feed: GrantFeed, tmp_path: Path) -> None:
    feed.send([("c", str(i), None) for i in range(3 * MOST)])
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> None:
        async with program(feed, tmp_path) as events:
            counter = None
            async for _event in events:  # without a single await of its own
                counter = counter or asyncio.create_task(count())
                assert events._ahead.qsize() <= AHEAD
            assert counter is not None
            counter.cancel()

    asyncio.run(run())
    assert turns >= 3 * MOST // 100 - 1


def test_what_was_read_ahead_when_a_grant_ends_is_not_handed_out(feed: GrantFeed, tmp_path: Path) -> None:
    feed.send([("c", str(i), None) for i in range(5 * MOST)])

    async def run() -> list[Any]:
        async with program(feed, tmp_path, until="ended") as events:
            first = [await anext(events) for _ in range(10)]
            await asyncio.to_thread(feed.end)
            deadline = asyncio.get_running_loop().time() + 20
            while not events._feed.withdrawn(1):
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.02)
            return [*first, *[event async for event in events]]

    received = asyncio.run(run())
    assert [type(i) for i in received] == [GenerationStarted, *[Event] * 9, GrantEnded]
    assert received[-1].cut_off


def test_what_ends_the_reading_is_raised_where_the_program_waits(cluster: Cluster, tmp_path: Path) -> None:
    async def run() -> None:
        async with AsyncSubscriber("nobody.nothing.1", settings=cluster.settings, ledger=tmp_path / "l") as events:
            await anext(events)

    with pytest.raises(ConfigError, match="there is no grant"):
        asyncio.run(run())
