"""The thread that gives new grants their history: it looks for partitions that lack some, and lets their passes (`backfill`)
take turns, a chunk each, no faster than it is told.

All grants that wait for a partition's history share a pass. Who comes while one is under way waits for the next, from the
beginning: to let it join would mean to judge what the others have had already. So it waits for two passes at most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.ids import resource_of
from stream_apps.exchange import telemetry
from stream_apps.exchange.backfill import Pass, Records
from stream_apps.exchange.history import History
from stream_apps.exchange.idle import Idle
from stream_apps.exchange.marks import MAX_OFF, Replaying
from stream_apps.exchange.outbox import Aborted
from stream_apps.exchange.same_topics import compare
from stream_apps.exchange.standing import Standing
from stream_apps.exchange.worker import Exchange
from stream_apps.transport.unit import Place

_LOOK_S = 0.05
_AT_ONCE = 4
"""Passes that take turns; each has a consumer that reads ahead."""
_RETRY_S, _RETRY_MAX_S = 0.5, 60.0

Opened = Callable[[Place, int], Records]


class Pace:
    """How fast history may be read: so many records a second, and half as fast again as live ones come, if that is more."""

    def __init__(self, rate: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._free = clock()

    def spent(self, records: int, grew: int) -> None:
        """A chunk was written, and meanwhile live units added so many."""
        self._free = max(self._free, self._clock()) + max(0.0, records - 1.5 * grew) / self._rate

    def wait(self) -> float:
        """Seconds until the next chunk may be read."""
        return max(0.0, self._free - self._clock())


class Replayer:
    """`start` once, `stop` once."""

    def __init__(
        self,
        exchange: Exchange,
        settings: Settings,
        failed: Callable[[BaseException], None],
        history: Opened | None = None,
    ) -> None:
        """`failed` is told what ended the thread; `history` opens a partition's records from an offset."""
        self._exchange, self._failed = exchange, failed
        self._history: Opened = history or (lambda place, at: History(settings, place, at))
        self._pace = Pace(settings.history_rate)
        self._passes: dict[Place, Pass] = {}
        self._look_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="replay", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the chunk in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            idle = Idle(self._exchange)
            while not self._stop.wait(self._pace.wait() if self._passes else _LOOK_S):
                self.turn()
                idle.turn()
        except BaseException as error:  # noqa: BLE001 - the process must end with it
            self._failed(error)
        finally:
            for place in list(self._passes):
                self._end(place)

    def turn(self) -> None:
        """Look for partitions that lack history, if it is time, and give each pass its turn."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look()
            self._look_at = time.monotonic() + _LOOK_S
        for place in list(self._passes):
            if self._stop.wait(self._pace.wait()):
                return
            self._step(place)

    def _step(self, place: Place) -> None:
        standing, run = self._exchange.owned.get(place), self._passes[place]
        if standing is None or standing.waits:
            self._end(place)
            return
        before = run.at
        try:
            over = run.step()
        except (Aborted, TransientError) as error:
            self._end(place)
            self._later(standing, error)
            return
        standing.history_failures = 0
        self._pace.spent(run.at - before, run.grew)
        if over:
            self._end(place)

    def _end(self, place: Place) -> None:
        self._passes.pop(place).close()

    def _later(self, standing: Standing, error: Aborted | TransientError) -> None:
        """Live units of the partition are not concerned: if they meet the same trouble, they say so themselves."""
        with self._exchange.lock:
            if isinstance(error, Aborted):
                self._exchange.undone(error)
            wait = min(_RETRY_S * 2**standing.history_failures, _RETRY_MAX_S)
            standing.history_failures = min(standing.history_failures + 1, 10)
            standing.history_retry_at = time.monotonic() + wait
        telemetry.history_waits(error, wait)

    def _look(self) -> None:
        """One lock for each partition: its rules may have to be compiled, and units of others go on in between."""
        exchange = self._exchange
        with exchange.lock:
            places = list(exchange.owned)
        for place in places:
            if place in self._passes or len(self._passes) >= _AT_ONCE:
                continue
            with exchange.lock:
                standing = exchange.owned.get(place)
                due = self._due(place, standing) if standing is not None else None
            if standing is not None and due is not None:
                self._passes[place] = self._begun(place, standing, due)

    def _begun(self, place: Place, standing: Standing, due: Replaying) -> Pass:
        telemetry.replaying(place, len(due.grants), due.at)
        return Pass(self._exchange, place, standing, due.grants, self._history(place, due.at), due.at)

    def _due(self, place: Place, standing: Standing) -> Replaying | None:
        """The pass a partition needs: from where one was left, if any of its grants still waits, or from the beginning. Of
        one whose grants have all ended only the mark is left; an empty pass takes it away. Under the lock."""
        if not standing.announced or standing.waits or time.monotonic() < standing.history_retry_at:
            return None
        try:
            pending, waiting = self._waiting(place, standing)
        except TransientError:  # live units meet it too, and wait with a reason
            return None
        begun = standing.mark.replay
        if begun is not None and (begun.grants & waiting or not begun.grants & pending):
            return Replaying(begun.grants & waiting, begun.at)
        return Replaying(waiting, 0) if waiting else None

    def _waiting(self, place: Place, standing: Standing) -> tuple[frozenset[int], frozenset[int]]:
        """Opening epochs of the grants that wait for history, and of those that could be given it now: the oldest, no more
        than a mark can name."""
        exchange = self._exchange
        rules = exchange.tools.book.rules(exchange.policy.state, resource_of(place.topic))
        if standing.compared != exchange.tools.topics.news and standing.next > standing.begin:
            lanes, _ = exchange.writable(rules, exchange.tools.now_ms())
            compare(place, standing, lanes, exchange.tools.topics)
        pending = standing.pending(rules.lanes) if standing.next > standing.begin else []
        if not pending:
            return frozenset(w.grant.opened for w in rules.withheld), frozenset()
        lanes, _ = exchange.writable(rules, exchange.tools.now_ms())
        found = sorted(v.grant.opened for v in standing.pending(lanes))
        others = [w.grant.opened for w in rules.withheld]
        return frozenset([*(v.grant.opened for v in pending), *others]), frozenset(found[:MAX_OFF])
