"""What the exchange tells the transport when it starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream_apps.transport.unit import Owner


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a unit may grow, and how long the transport is patient. Sizes are reached, then exceeded by one fetch of
    `chunk` records at most."""

    records: int = 10_000
    bytes: int = 32 << 20
    """Of values."""
    places: int = 100
    """Partitions: with five grants each a unit then writes 500 topics in one transaction. With a thousand partitions that all
    have something to say, as after a pause, one transaction over 5,000 topics took longer than the broker gives it."""
    chunk: int = 2_000
    """Records asked of the consumer at once."""
    units: int = 2
    """Units gathered ahead of the agent."""
    sweep_s: float = 1.0
    """How often positions are read of partitions that gave no record (transaction markers move them)."""
    full_s: float = 0.5
    """With no room for this long, partitions are paused and the consumer is polled for rebalances only."""
    ending_s: float = 30.0
    """How long a rebalance or a stop waits for the unit in flight; the process ends if it is still open then."""
    stuck_s: float = 60.0
    """With work waiting and no unit done or rewound for this long, the process ends."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where units come from and who owns the partitions.

    consumer   librdkafka properties (`infra.runtime.kafka.consumer_config`); the transport adds its own (`consumer.py`)
    owner      told of assignments and revocations, in the poll thread
    topics     the source topics at the start; `Feed.subscribe` replaces them. Called once, in the poll thread
    """

    consumer: Mapping[str, Any]
    owner: Owner
    topics: Callable[[], Sequence[str]]
    limits: Limits = field(default_factory=Limits)
