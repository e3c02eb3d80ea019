"""What a delivery did, counted as it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from consumers.column_records import below
from consumers.events import Batch
from consumers.sink import Held, Written

_EXACT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Latency:
    """From release to the sink's commit, in milliseconds."""

    p50: int
    p99: int
    most: int


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """One grant into one sink, from this run's start to its end.

    events        view events whose effect became durable in this run; by_op splits them
    duplicates    events offered again below a position the sink held: 0, or something is broken
    held_events   events the sink has counted since its table was made, in the transactions of the rows
    latency       None where the grant's release times are coarser than a millisecond, or nothing came
    ended         why the grant ended, if it did: nothing more comes
    cut_off       something that was released before its end is not in the sink and may not be read any more
    rebuilt       times the copy was made anew because something had been left unread for too long
    unreadable    events that could not be read and were passed over, because that was asked for
    followed      generations that ended meanwhile because the grant was amended, and were followed by the next
    """

    grant: str
    generation: int
    topic: str
    sink: str
    events: int
    by_op: dict[str, int]
    upserted: int
    deleted: int
    rejected: int
    tombstones: int
    duplicates: int
    held_events: int
    positions: dict[int, int]
    latency: Latency | None
    retries: int
    ended: str | None
    followed: tuple[int, ...] = ()
    cut_off: bool = False
    rebuilt: int = 0
    unreadable: int = 0


@dataclass(slots=True)
class Tally:
    """The numbers of a running delivery."""

    by_op: Counter[str] = field(default_factory=Counter)
    upserted: int = 0
    deleted: int = 0
    rejected: int = 0
    tombstones: int = 0
    unreadable: int = 0
    duplicates: int = 0
    held_events: int = 0
    retries: int = 0
    rebuilt: int = 0
    followed: list[int] = field(default_factory=list)
    positions: dict[int, int] = field(default_factory=dict)
    latencies: Counter[int] = field(default_factory=Counter)
    """Milliseconds -> events; exact to ten seconds, to a tenth of a second beyond."""

    def opened(self, held: Held) -> None:
        """The sink was opened (again)."""
        self.positions = dict(held.positions)
        self.held_events = held.events

    def add(self, batch: Batch, written: Written, by_op: Mapping[str, int], latencies_ms: Mapping[int, int]) -> None:
        """A batch is durable. `latencies_ms`: milliseconds -> events."""
        events = sum(by_op.values())
        self.by_op.update(by_op)
        self.tombstones += len(batch.records) - events - len(batch.unreadable)
        self.unreadable += len(batch.unreadable)
        self.upserted += written.upserted
        self.deleted += written.deleted
        self.rejected += written.rejected
        self.held_events += events
        self.duplicates += below(batch, self.positions)
        self.positions.update({p: step.next for p, step in batch.steps.items()})
        for ms, count in latencies_ms.items():
            self.latencies[ms if ms < _EXACT_MS else ms // 100 * 100] += count

    def latency(self) -> Latency | None:
        """Percentiles, or None if nothing was measured."""
        total = self.latencies.total()
        if not total:
            return None
        p50 = p99 = seen = 0
        ordered = sorted(self.latencies.items())
        for ms, count in ordered:
            p50 = ms if seen < total * 0.5 else p50
            p99 = ms if seen < total * 0.99 else p99
            seen += count
        return Latency(p50, p99, ordered[-1][0])
