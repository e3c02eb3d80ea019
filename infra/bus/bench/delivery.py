"""`bus bench delivery`: view events per second into a store, as a ratio to a bare loop that writes the same rows.

One grant of ten fields on one partition; half of the source's events are updates. The exchange fills the grant's topic once.
Then in each round, on a fresh place of the same server, take turns:
  bare       writes rows that lie ready in memory, in the deliverer's batches, as fast as the store's client goes
  sink       the bus's sink alone, fed batches of events that lie ready in memory
  deliverer  `bus deliver` in a process of its own: Kafka, decoding, sink, positions, metrics
The medians of the rounds' ratios count.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from consumers.catalogue import sink_for
from consumers.events import Batch
from consumers.grant_reader import GrantReader
from consumers.sink import Tended
from consumers.view import View
from infra.bus.bench import load
from infra.bus.demo.flow import exchange, wait_exchanged
from infra.bus.workers import process
from infra.control import apply_contract, apply_grant
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.grant import Grant, parse_grant
from schemas.text import Text

_RESOURCE = "bench.delivery"
_LIMIT_S, _LOOK_S = 300.0, 0.02
_FIELDS = ("id_no", "spouse_id_no", "name", "phone", "address", "birth", "gender", "district", "insured", "updated_at")

Say = Callable[[str], None]


class Store(Protocol):
    """Something a grant is delivered into, and its bare loop."""

    name: str
    options: tuple[str, ...]
    """What `bus deliver` is told besides grant and sink."""

    def fresh(self) -> str:
        """An empty place; its address as a sink."""
        ...

    def bare(self, address: str, view: View, batches: Sequence[Batch]) -> float:
        """Seconds the bare loop takes for the batches' rows; making them ready is not counted."""
        ...

    def watch(self, address: str) -> AbstractContextManager[Callable[[], int]]:
        """Asks how many events a deliverer has made durable there so far; an answer must cost next to nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Feed:
    """A filled topic, and what stands in it."""

    grant: str
    view: View
    batches: Sequence[Batch]

    @property
    def events(self) -> int:
        """View events."""
        return sum(step.events for batch in self.batches for step in batch.steps.values())


@dataclass(frozen=True, slots=True)
class Round:
    """One turn of each, in events per second."""

    bare: float
    sink: float
    deliverer: float


def fill(settings: Settings, events: int, folder: Path, say: Say) -> Feed:
    """A grant's topic with what the exchange makes of `events` source events, read once into memory."""
    say(f"releasing {events:,} events")
    applied = apply_contract(settings, load.contract(_RESOURCE))
    grant = _grant()
    apply_grant(settings, grant)
    load.load(settings, _RESOURCE, applied.schema_id, events)
    with exchange(settings, folder / "delivery-exchange.log"):
        wait_exchanged(settings, [_RESOURCE], _LIMIT_S)
    batches: list[Batch] = []
    with GrantReader(settings, grant.id) as reader:
        while not reader.at_end:
            batch = reader.poll()
            if batch is not None:
                batches.append(batch)
        return Feed(grant.id, reader.view, batches)


def measure(settings: Settings, feed: Feed, store: Store, rounds: int, folder: Path, say: Say) -> dict[str, Any]:
    """The rounds and what they come to. Raises TransientError if a delivery does not get through."""
    gc.collect()
    gc.freeze()  # what lies ready in memory is no burden to either
    found: list[Round] = []
    for n in range(rounds):
        found.append(_round(settings, feed, store, folder))
        one = found[-1]
        say(
            f"{store.name}, round {n + 1}: bare {one.bare:,.0f}/s, sink {one.sink:,.0f}/s, deliverer {one.deliverer:,.0f}/s"
        )
    gc.unfreeze()
    rates = {name: round(statistics.median(getattr(r, name) for r in found)) for name in Round.__slots__}
    return {
        "store": store.name,
        "ratio_deliverer": round(statistics.median(r.deliverer / r.bare for r in found), 3),
        "ratio_sink": round(statistics.median(r.sink / r.bare for r in found), 3),
        **{f"{name}_per_second": rate for name, rate in rates.items()},
        "events": feed.events,
    }


def _round(settings: Settings, feed: Feed, store: Store, folder: Path) -> Round:
    bare = feed.events / store.bare(store.fresh(), feed.view, feed.batches)
    return Round(bare, _sink_pace(feed, store), _deliverer_pace(settings, feed, store, folder))


def _sink_pace(feed: Feed, store: Store) -> float:
    with closing(sink_for(store.fresh())) as sink:
        sink.open(feed.view)
        began = time.perf_counter()
        for batch in feed.batches:
            sink.write(batch)
            if isinstance(sink, Tended):
                sink.tend()
        if isinstance(sink, Tended):
            sink.tend(ending=True)
        return feed.events / (time.perf_counter() - began)


def _deliverer_pace(settings: Settings, feed: Feed, store: Store, folder: Path) -> float:
    """From the first batch that is durable to the last, so that starting a process is not counted."""
    address, deadline = store.fresh(), time.monotonic() + _LIMIT_S
    arguments = ["deliver", "--grant", feed.grant, "--sink", address, *store.options]
    first: tuple[float, int] | None = None
    held, over = 0, False
    with (
        store.watch(address) as asked,
        process(settings, "infra.bus.main", arguments, folder / "delivery.log") as child,
    ):
        while time.monotonic() < deadline and not over:
            over = child.poll() is not None
            held, now = asked(), time.perf_counter()
            if first is None and held > 0:
                first = (now, held)
            if held >= feed.events and first is not None:
                return (held - first[1]) / max(now - first[0], 1e-9)
            time.sleep(_LOOK_S)
    raise TransientError(
        Text(f"{held} of {feed.events} events were delivered.", f"仅投递 {held}/{feed.events} 个事件。"),
        where=feed.grant,
        hint=Text(f"See {folder / 'delivery.log'}.", f"请查看 {folder / 'delivery.log'}。"),
    )


def _grant() -> Grant:
    return parse_grant(
        {
            "id": f"{_RESOURCE}.grant",
            "subscriber": "subscriber",
            "resource": _RESOURCE,
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": dict.fromkeys(_FIELDS, "pass"),
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
    )
