"""What the transport hands to an agent, and what an agent may ask of the transport.

Threads: the poll thread alone touches the Kafka consumer. It calls the `Owner` from rebalances, and gathers records in a
short buffer while the agent works. The agent has one unit at a time: it gets the next after `done` or `rewind`, and may
call the `Feed` from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from confluent_kafka import Message


class Place(NamedTuple):
    """A topic partition."""

    topic: str
    partition: int


class Committed(NamedTuple):
    """What the group holds for a partition: the offset to read next, and the text committed with it."""

    offset: int | None
    """None: the group has never committed for it; reading starts at the partition's beginning."""
    metadata: str


@dataclass(frozen=True, slots=True)
class Slice:
    """The part of one partition in a unit: every visible record in [start, end).

    Transaction markers and aborted records occupy offsets too, so `end` is the consumer's position, not the last record
    plus one, and a slice may hold no record at all.
    """

    place: Place
    messages: Sequence[Message]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What was polled while the unit before was worked on: all assigned partitions together. It becomes one transaction
    under one policy epoch.

    `group` is the consumer's group metadata as the poll thread saw it with these very records: a commit made with it is
    refused by the broker if the group has moved on, and only then. `assignment` counts rebalances of this consumer.
    A unit may hold no record, only advanced positions: commit them, so that the lag reaches zero.
    """

    slices: Sequence[Slice]
    group: Any
    assignment: int
    records: int


class Owner(Protocol):
    """The exchange, as the transport sees it. Called in the poll thread; an exception ends the process."""

    def assigned(self, places: Mapping[Place, Committed]) -> Mapping[Place, int]:
        """Partitions are this worker's from now on. Returns the offset to read next for each (usually the committed one;
        for None the owner decides, normally 0). May block to read the control log to its end; no unit is in flight."""
        ...

    def revoked(self, places: Sequence[Place]) -> None:
        """Partitions were taken away. No unit is in flight, and buffered units have been dropped."""
        ...


class Feed(Protocol):
    """The transport, as the exchange sees it. Safe to call from the agent's thread."""

    def done(self, unit: Unit) -> None:
        """The unit's transaction is committed; a rebalance that waited for it may go on."""
        ...

    def rewind(self, unit: Unit, places: Mapping[Place, int]) -> None:
        """The unit was aborted: drop all buffers and read on from these offsets. Also lets a waiting rebalance go on.
        Every place the worker owns must be named (ValueError); places it no longer owns are ignored."""
        ...

    def upcoming(self, timeout: float) -> Sequence[Slice]:
        """The slices of the next unit, if within `timeout` seconds it is complete; to prepare for it, not to commit it. A
        rewind or a rebalance may still drop it."""
        ...

    def subscribe(self, topics: Sequence[str]) -> None:
        """From now on these source topics, in place of the ones before. A topic that does not exist yet is read as soon as
        it does; one created a moment ago within about a second. The rebalance happens later, in the poll thread."""
        ...

    def pause(self, places: Sequence[Place]) -> None:
        """Deliver nothing from these partitions until `resume`; they stay assigned, and what was buffered is read again
        after it. A unit in flight keeps what it has. Forgotten when the partition is revoked."""
        ...

    def resume(self, places: Sequence[Place]) -> None:
        """Deliver from these partitions again."""
        ...

    def group(self) -> Any:
        """The newest group metadata the poll thread has seen, for a commit that carries no unit (an announcement)."""
        ...

    def lag(self) -> Mapping[Place, int]:
        """Records between the last finished unit and the end readers may see, for each owned place, a few seconds old."""
        ...

    def fail(self, error: BaseException) -> None:
        """The agent cannot go on; the process ends and its supervisor starts another."""
        ...
