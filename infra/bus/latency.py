"""From the acknowledgement of a publication to the row in the subscriber's SQLite file, event by event.

The events are creates under a grant that filters nothing, on a resource of one partition: order is kept from end to end,
so when the table has k more rows, the first k events are committed.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from consumers.naming import table_name
from producers.adapter import Batch, event_id
from producers.publisher import Publisher
from schemas.change_event import ChangeEvent, Op, Row
from schemas.contract import Contract
from schemas.errors import PermanentError, TransientError
from schemas.text import Text

_LOOK_S = 0.002
_TICK_S = 0.02


@dataclass(slots=True)
class RowMeter:
    """Watches a grant's table grow, from a thread of its own, by reading the file as anyone may."""

    path: Path
    grant: str
    seen: list[tuple[float, int]] = field(default_factory=list)
    """(time, rows) at every growth; `time.perf_counter` seconds."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _base: int = 0

    def settle(self, rows: int, limit_s: float) -> None:
        """Wait until the table exists and has exactly `rows` rows: what came before is through. TransientError if not."""
        deadline = time.monotonic() + limit_s
        while (have := self._count()) != rows:
            if time.monotonic() > deadline:
                raise TransientError(
                    Text(f"{have} rows, not {rows}.", f"{have} 行, 应为 {rows} 行。"), where=self.grant
                )
            self._stop.wait(_LOOK_S)

    def start(self) -> None:
        """Remember how many rows there are, and begin to watch."""
        self._base = self._count()
        self._thread = threading.Thread(target=self._watch, name="row-meter", daemon=True)
        self._thread.start()

    def finish(self, rows: int, limit_s: float) -> None:
        """Wait until `rows` more rows are there. TransientError if they are not within `limit_s` seconds."""
        deadline = time.monotonic() + limit_s
        while not self.seen or self.seen[-1][1] < rows:
            if time.monotonic() > deadline:
                have = self.seen[-1][1] if self.seen else 0
                raise TransientError(
                    Text(f"only {have} of {rows} rows arrived.", f"仅到达 {have}/{rows} 行。"), where=self.grant
                )
            self._stop.wait(_LOOK_S)
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        have = 0
        while not self._stop.wait(_LOOK_S):
            now_have = self._count() - self._base
            if now_have > have:
                self.seen.append((time.perf_counter(), now_have))
                have = now_have

    def _count(self) -> int:
        try:
            with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
                row = db.execute(f'SELECT count(*) FROM "{table_name(self.grant)}"').fetchone()
        except sqlite3.OperationalError:  # the deliverer has not made the file or the table yet
            return 0
        return int(row[0])


def publish_paced(
    publisher: Publisher,
    adapter: str,
    contract: Contract,
    rows: Sequence[Row],
    rate: float,
    during: Callable[[int], None] = lambda _done: None,
    enough: Callable[[], bool] = lambda: False,
) -> list[float]:
    """Publish `rows` as creates at `rate` a second; when each was acknowledged (`time.perf_counter` seconds).

    `during` hears after every transaction how many are published; `enough` may end it early.
    """
    acknowledged: list[float] = []
    began = time.perf_counter()
    while len(acknowledged) < len(rows) and not enough():
        due = min(len(rows), int((time.perf_counter() - began) * rate) + 1)
        if due > len(acknowledged):
            _commit(publisher, adapter, contract, rows[len(acknowledged) : due], len(acknowledged))
            acknowledged += [time.perf_counter()] * (due - len(acknowledged))
            during(len(acknowledged))
        time.sleep(_TICK_S)
    return acknowledged


def _commit(publisher: Publisher, adapter: str, contract: Contract, rows: Sequence[Row], first: int) -> None:
    position = f"live:{first + len(rows)}"
    events = [
        ChangeEvent(
            op=Op.CREATE,
            key={k: row[k] for k in contract.key},
            before=None,
            after=row,
            event_id=event_id(adapter, contract.id, position, n),
            source=adapter,
            position=position,
        )
        for n, row in enumerate(rows)
    ]
    prepared = publisher.prepare(Batch(events, [None] * len(events), [], position))
    if prepared.rejected:
        raise PermanentError(
            Text(
                f"{len(prepared.rejected)} generated rows break the contract.",
                f"{len(prepared.rejected)} 行生成数据不符合契约。",
            ),
            where=f"{contract.id}.{prepared.rejected[0].field}: {prepared.rejected[0].reason}",
        )
    publisher.commit(prepared)


def latencies_ms(acknowledged: Sequence[float], seen: Sequence[tuple[float, int]]) -> list[float]:
    """Milliseconds from acknowledgement to sight, per event; a row seen before its acknowledgement counts as 0."""
    out: list[float] = []
    for at, rows in seen:
        while len(out) < min(rows, len(acknowledged)):
            out.append(max(0.0, (at - acknowledged[len(out)]) * 1000))
    return out


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed, to a tenth."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)
