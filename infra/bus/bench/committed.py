"""When events became durable in a PostgreSQL database, seen from outside: the count a sink moves in the rows' own transaction.

The events are creates under grants that filter nothing, on resources of one partition: order is kept from end to end, so when
a grant's count is k higher, its first k events are committed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType

import psycopg

from schemas.errors import TransientError
from schemas.text import Text

_LOOK_S = 0.002


class CommittedMeter:
    """Watches all grants of one database from a thread while the block runs.

    `seen`: by grant (time.perf_counter seconds, events committed by then) at every growth.
    """

    def __init__(self, url: str) -> None:
        self.seen: dict[str, list[tuple[float, int]]] = {}
        self._db = psycopg.connect(url, autocommit=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="committed-meter", daemon=True)

    def await_opened(self, grants: Sequence[str], limit_s: float) -> None:
        """Return when a deliverer has opened every grant here. TransientError if not within `limit_s` seconds."""
        deadline = time.monotonic() + limit_s
        while missing := set(grants) - set(self._counts()):
            if time.monotonic() > deadline:
                raise TransientError(
                    Text(f"{len(missing)} deliveries did not begin.", f"{len(missing)} 项投递未开始。"),
                    where=min(missing),
                )
            time.sleep(0.05)

    def await_events(self, wanted: Mapping[str, int], limit_s: float) -> None:
        """Return when each grant has so many events. TransientError if not within `limit_s` seconds."""
        deadline = time.monotonic() + limit_s
        while late := [g for g, n in wanted.items() if self._have(g) < n]:
            if time.monotonic() > deadline:
                have, n = self._have(late[0]), wanted[late[0]]
                raise TransientError(
                    Text(f"only {have} of {n} events were committed.", f"仅提交 {have}/{n} 个事件。"), where=late[0]
                )
            time.sleep(0.02)

    def _have(self, grant: str) -> int:
        seen = self.seen.get(grant)
        return seen[-1][1] if seen else 0

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_S):
            counts, now = self._counts(), time.perf_counter()
            for grant, events in counts.items():
                seen = self.seen.setdefault(grant, [])
                if events > (seen[-1][1] if seen else 0):
                    seen.append((now, events))

    def _counts(self) -> dict[str, int]:
        try:
            rows = self._db.execute("SELECT grant_id, sum(events)::bigint FROM _bus_positions GROUP BY 1").fetchall()
        except psycopg.errors.UndefinedTable:  # no deliverer has been here yet
            return {}
        return dict(rows)

    def __enter__(self) -> CommittedMeter:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self._db.close()
