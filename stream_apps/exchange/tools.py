"""What the exchange works with, as it sees it: where transactions go, what is in force, what can be written."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.policy_state import PolicyState
from stream_apps.exchange.gaps import KeyHash
from stream_apps.exchange.outbox import Output
from stream_apps.exchange.views import RuleBook
from stream_apps.exchange.witness import Witness
from stream_apps.transport.unit import Place


class Sender(Protocol):
    """Where transactions go (`Outbox`)."""

    transaction: str

    def commit(self, outputs: Sequence[Output], offsets: Mapping[Place, tuple[int, str]], group: Any) -> None:
        """All of it, or `Aborted` and nothing of it."""
        ...


class Policy(Protocol):
    """The policy in force (`PolicyWatch`)."""

    @property
    def state(self) -> PolicyState: ...
    def at_end(self, at_least: int) -> PolicyState:
        """The state read to the end, and at least to an epoch."""
        ...


class Topics(Protocol):
    """Which output topics can be written (`KnownTopics`)."""

    news: int

    def unusable(self, topics: Sequence[str]) -> Mapping[str, str]: ...
    def ids(self, topics: Sequence[str]) -> Mapping[str, str]: ...
    def refuse(self, refused: Mapping[str, str]) -> None: ...
    def forget(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What the exchange works with. `begins` gives the first offset of partitions; `now_ms` the time."""

    sender: Sender
    book: RuleBook
    topics: Topics
    hashed: KeyHash
    begins: Callable[[Sequence[Place]], Mapping[Place, int]]
    now_ms: Callable[[], int] = lambda: int(time.time() * 1000)
    ends: Callable[[Sequence[Place]], Mapping[Place, int]] = lambda places: {}
    """The offsets after the last record written; of those partitions for which that can be told."""
    outage_s: int = 7 * 24 * 3600
    """How old what is unread may get (BUS_TOLERATED_OUTAGE_S)."""
    stop_share: float = 0.5
    """A resource stops when more than this part of its records are faulty."""
    witness: Witness = field(default_factory=Witness)
