"""A source whose every change carries a number, so that what arrives can be counted: nothing missing, nothing twice, in order.

Change n is made to key n % 1,000: the first to a key creates it, the later ones update it. So the numbers of one key rise, and
the newest of all is what a subscriber's table shows at its highest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.settings import Settings
from producers.adapter import Batch, event_id
from producers.patience import Patience
from producers.publisher import Publisher
from producers.run import PublishReport, contract_in_force, now_ms, run
from schemas.change_event import ChangeEvent, Op
from schemas.contract import Contract, parse_contract
from schemas.grant import Grant, parse_grant

KEYS = 1_000
_ADAPTER = "numbered"
_TICK_S = 0.02
_MOST = 5_000


def contract(resource: str) -> Contract:
    """A key and a number."""
    about = {
        "id": resource,
        "title": {"zh": "编号", "en": "Numbered"},
        "provider": "bench",
        "key": ["id"],
        "sharing": "conditional",
    }
    fields = [{"name": "id", "type": "string"}, {"name": "n", "type": "long"}]
    return parse_contract({"type": "record", "name": "Numbered", "resource": about, "fields": fields})


def grant(resource: str, number: int = 1) -> Grant:
    """All of it, as it is."""
    return parse_grant(
        {
            "id": f"{resource}.grant-{number}",
            "subscriber": "subscriber",
            "resource": resource,
            "purpose": "benchmark",
            "basis": "benchmark",
            "fields": {"id": "pass", "n": "pass"},
            "valid": {"from": "2026-01-01", "until": "2099-12-31"},
        }
    )


def key(n: int) -> str:
    """The key that change `n` is made to."""
    return f"k{n % KEYS}"


@dataclass
class Source:
    """The adapter. What falls due while nobody can publish is published when somebody can, as a department's own log would be.

    rate   changes a second, from `began` (`time.monotonic` seconds) on
    """

    resource: str
    rate: int
    began: float
    stop: threading.Event
    id: str = _ADAPTER
    _next: int = 0

    def open(self, contract: Contract, position: str | None) -> None:
        """See `Adapter`."""
        self._next = int(position or 0)

    def read(self) -> Batch | None:
        """See `Adapter`."""
        while (due := int((time.monotonic() - self.began) * self.rate) - self._next) <= 0 and not self.stop.is_set():
            self.stop.wait(_TICK_S)
        if self.stop.is_set():
            return None
        first, self._next = self._next, self._next + min(due, _MOST)
        position = str(self._next)
        events = [self._event(n, position, n - first) for n in range(first, self._next)]
        return Batch(events, [None] * len(events), [], position)

    def prepare(self, accepted: Sequence[ChangeEvent], position: str) -> None:
        """See `Adapter`."""

    def committed(self, position: str) -> None:
        """See `Adapter`."""
        self.stop.wait(_TICK_S)

    def close(self) -> None:
        """See `Adapter`."""

    def _event(self, n: int, position: str, number: int) -> ChangeEvent:
        update = n >= KEYS
        return ChangeEvent(
            op=Op.UPDATE if update else Op.CREATE,
            key={"id": key(n)},
            before=_row(n - KEYS) if update else None,
            after=_row(n),
            event_id=event_id(self.id, self.resource, position, number),
            source=self.id,
            position=position,
        )


def _row(n: int) -> dict[str, Any]:
    return {"id": key(n), "n": n}


@dataclass(slots=True)
class Published:
    """How far the publisher of a block has come."""

    report: PublishReport
    failed: list[BaseException] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        """Changes whose publication is acknowledged: those below this number."""
        return int(self.report.position or 0)


@contextmanager
def publishing(settings: Settings, resource: str, rate: int) -> Iterator[Published]:
    """`rate` changes a second while the block runs, by the publisher every adapter has. Raises at the end what ended it."""
    stop, found = threading.Event(), contract(resource)
    schema_id, _ = contract_in_force(settings, resource, None)
    published, began = Published(PublishReport(_ADAPTER, resource)), time.monotonic()

    def publisher() -> Publisher:
        return Publisher(settings, _ADAPTER, found, schema_id, clock=now_ms)

    def wait(seconds: float) -> None:
        stop.wait(seconds)

    def work() -> None:
        try:
            patience = Patience(resource, wait)
            run(lambda: Source(resource, rate, began, stop), publisher, found, published.report, patience)
        except BaseException as error:  # noqa: BLE001 - told to whoever waits for the block to end
            published.failed.append(error)

    thread = threading.Thread(target=work, name="bench-load", daemon=True)
    thread.start()
    try:
        yield published
    finally:
        stop.set()
        thread.join()
        if published.failed:
            raise published.failed[0]


@dataclass(frozen=True, slots=True)
class Count:
    """What became of `expected` changes. `disordered`: a number that came after a higher one of the same key."""

    expected: int
    lost: int
    twice: int
    disordered: int


def count(expected: int, arrived: Sequence[tuple[str, int]]) -> Count:
    """Of the changes numbered below `expected`, what arrived: key and number of each, in the order of their arrival."""
    seen: set[int] = set()
    newest: dict[str, int] = {}
    twice = disordered = 0
    for k, n in arrived:
        twice += n in seen
        disordered += n < newest.get(k, -1)
        seen.add(n)
        newest[k] = max(n, newest.get(k, -1))
    return Count(expected, len(set(range(expected)) - seen), twice, disordered)


def wrong_rows(expected: int, table: Mapping[str, int]) -> int:
    """Rows of a subscriber's table (key to number) that are not what the last change of their key left, or not there."""
    last = {key(n): n for n in range(max(0, expected - KEYS), expected)}
    return sum(last.get(k) != table.get(k) for k in last.keys() | table.keys())
