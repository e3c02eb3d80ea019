"""Hand a grant's changes to several workers in one asyncio program, each key always to the same one.

Run: BUS_CREDENTIALS=shuiwu.yaml python -m consumers.examples.fan_out shuiwu.enterprise.2026-001
Workers finish in any order. An event is acknowledged when it and all before it are done, so that nothing is lost if the
program dies.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Literal

from consumers import AsyncSubscriber, Event, GenerationStarted, GrantEnded

WORKERS = 4
IN_HAND = 1_000
"""Events that are begun and not acknowledged; when there are so many, reading waits."""

Work = Callable[[Event], Awaitable[None]]
Begun = asyncio.Queue[tuple[Event, asyncio.Future[None]]]


async def main(grant: str, work: Work, until: Literal["ended", "caught_up"] = "ended") -> GrantEnded | None:
    """Until the grant ends; its end. What `work` raises ends the program, and its event comes again at the next start."""
    queues = [Begun(100) for _ in range(WORKERS)]
    begun, ended = Begun(IN_HAND), None
    async with AsyncSubscriber(grant=grant, until=until) as events, asyncio.TaskGroup() as group:
        tasks = [group.create_task(acknowledge(begun)), *(group.create_task(run(queue, work)) for queue in queues)]
        async for event in events:
            match event:
                case GenerationStarted():
                    await begun.join()  # nobody works on the copy any more: here it is emptied
                    event.acknowledge()
                case Event():
                    one = event, asyncio.get_running_loop().create_future()
                    await begun.put(one)
                    await queues[hash(tuple(event.key.values())) % WORKERS].put(one)
                case GrantEnded():
                    ended = event
        await begun.join()
        for task in tasks:
            task.cancel()
    return ended


async def run(queue: Begun, work: Work) -> None:
    """One worker: its events one after the other."""
    while True:
        event, done = await queue.get()
        await work(event)
        done.set_result(None)


async def acknowledge(begun: Begun) -> None:
    """In the order they came, as they are done."""
    while True:
        event, done = await begun.get()
        await done
        event.acknowledge()
        begun.task_done()


async def show(event: Event) -> None:
    """What a worker does here; a call to another system would stand in its place."""
    print(event.op.value, dict(event.key), event.after)


if __name__ == "__main__":
    print(asyncio.run(main(sys.argv[1], show)))
