"""The adapter contract: all that is needed to bring another kind of source onto the bus.

An adapter imports this module, `schemas` and its own driver. It knows nothing of Kafka.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from schemas.change_event import ChangeEvent
from schemas.contract import Contract


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not published, and why. Never holds a value of the row.

    row     number of the row in its source (a file's first line after the header is row 2, as a spreadsheet shows it)
    field   the contract's field, or None where the row as a whole is wrong
    reason  one lower-case word with underscores, out of a handful: it becomes a metric label
    """

    row: int | None
    field: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that are published together, in one transaction, or not at all.

    events     in the order in which they happened; per key this order is kept
    rows       for each event, the number of its row in the source, or None
    rejected   rows the adapter itself could not read
    position   where to go on after this batch
    """

    events: Sequence[ChangeEvent]
    rows: Sequence[int | None]
    rejected: Sequence[Rejection]
    position: str


class Adapter(Protocol):
    """Reads changes of one resource from one source, and knows its position there.

    Lifecycle: `open`, then per batch `read` → `prepare` → (the runner commits to Kafka) → `committed`, then `close`.
    `read` may follow `read` only after `committed`; so there is one batch in flight, and an adapter whose source is
    faster than Kafka is held back by not being asked. After an error, or when the process was killed, everything begins
    again with a new object and `open` at the position Kafka holds. `close` is called once after `open` was begun,
    whatever happened, and must not raise.

    Threads: all calls come from one thread, one at a time. An adapter may block in `read`, at most a few seconds.

    Positions are opaque texts of the adapter's own, at most 4,096 characters, without content of records. The position
    of a batch is committed in the same Kafka transaction as its events: after a crash, a batch either was published
    and `open` gets its position, or was not and `open` gets the one before. A position is used for one batch only,
    so that `event_id` is the same when a batch that was not committed is read again.

    Shapes and units: `ChangeEvent.key` holds the contract's key fields; `before` and `after` hold field name -> value
    (str, bool, int, float, bytes, Decimal, `datetime.date`, `datetime.datetime` with zone or, for timestamps, whole
    milliseconds since 1970 UTC; dict, list; None). A field left out is null or has the contract's default. `u` and `d`
    carry `before`, `c` and `r` do not. `occurred_at` is milliseconds since 1970 UTC, or None if the source does not
    know it. A key change is one `u` whose `before` has the old key: the publisher splits it. A batch should hold about
    10,000 events and must stay below 64 MB of values: it is held in memory and is one transaction.

    Errors: raise ConfigError for what a person must mend (settings, header, credentials), PermanentError for a source
    that will never be readable, TransientError for one that is out of reach or changed while it was read. Only the
    runner retries, and only TransientError. A bad row is no error: report it in `Batch.rejected` and go on. Messages
    name rows and fields, never values.
    """

    @property
    def id(self) -> str:
        """Id of the adapter: with the resource, the name under which its position is kept."""
        ...

    @property
    def resource(self) -> str:
        """Id of the resource it publishes."""
        ...

    def open(self, contract: Contract, position: str | None) -> None:
        """Get ready to go on after `position` (None: nothing was ever published)."""
        ...

    def read(self) -> Batch | None:
        """The next batch, or None when there is no more. A source that never ends returns an empty batch when idle
        (its position is not committed)."""
        ...

    def prepare(self, accepted: Sequence[ChangeEvent], position: str) -> None:
        """`accepted` (what the contract check left of the batch) is about to be committed with `position`. An adapter
        that keeps state of its own writes down here, durably, what it needs to finish in `open` after a crash."""
        ...

    def committed(self, position: str) -> None:
        """The transaction with `position` is committed in Kafka. Acknowledge to the source, apply prepared state."""
        ...

    def close(self) -> None:
        """Give everything back. Nothing that was not committed may survive."""
        ...


def event_id(adapter: str, resource: str, position: str, number: int) -> str:
    """Id of event `number` of the batch at `position`: 16 bytes in hexadecimal, the same whenever it is read again."""
    return f"{_batch_digest(adapter, resource, position)}{number:08x}"


@lru_cache(maxsize=16)
def _batch_digest(adapter: str, resource: str, position: str) -> str:
    return hashlib.sha256(f"{adapter}\n{resource}\n{position}".encode()).hexdigest()[:24]
