"""The runner of deliveries: a grant's topic into a sink, until the grant ends, with everything retried here and only here."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from consumers import telemetry
from consumers.absence import AwayTooLong, Nearness
from consumers.ahead import ReadAhead
from consumers.catalogue import shown, sink_for
from consumers.column_records import by_op, released_at
from consumers.control import GrantWatch
from consumers.events import Batch
from consumers.grant_end import GrantEnd
from consumers.grant_reader import MAX_RECORDS, GrantReader
from consumers.pace import Pace
from consumers.report import DeliveryReport, Tally
from consumers.sink import RetryLater, Sink, Tended
from infra.runtime.settings import Settings
from schemas.errors import BusError, PermanentError, TransientError
from schemas.policy_state import GrantInForce
from schemas.text import Text

Until = Literal["ended", "caught_up"]
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a delivery is: events delivered by this run, and offsets still to read."""

    grant: str
    events: int
    lag: int


OnProgress = Callable[[Progress], None]


def deliver(
    settings: Settings,
    grant_id: str,
    sink_url: str,
    *,
    until: Until | None = None,
    stop: threading.Event | None = None,
    progress: OnProgress | None = None,
    watch: GrantWatch | None = None,
    rebuild: bool = False,
    pace: Pace | None = None,
    skip_unreadable: bool = False,
) -> DeliveryReport:
    """Deliver a grant into a sink, and report.

    until   "caught_up": stop at the topic's end; "ended" and None: go on until the grant ends. A grant that goes on as a
            later generation is followed: its table is made anew and filled from the new topic.
    stop    set it, from any thread, to stop after the batch at hand
    rebuild make the table anew and fill it from the topic's beginning
    pace    how fast it may go; give the same one to all deliveries of a subscriber
    Where something was left unread for longer than the topic keeps deletes, the table is made anew by itself.
    skip_unreadable pass over single events that cannot be read: their rows are deleted, pointers kept where the sink keeps any
    Retries everything transient with back-off, reading on from what the sink holds. Raises ConfigError and PermanentError,
    and TransientError only if the cluster cannot be reached to begin with.
    """
    if watch is None:
        with GrantWatch(settings) as own:
            return deliver(
                settings,
                grant_id,
                sink_url,
                until=until,
                stop=stop,
                progress=progress,
                watch=own,
                rebuild=rebuild,
                pace=pace,
                skip_unreadable=skip_unreadable,
            )
    ending = stop or threading.Event()
    return Delivery(
        settings, grant_id, sink_url, until, ending, progress, watch, rebuild, pace or Pace(), skip_unreadable
    ).run()


def deliver_many(
    settings: Settings,
    pairs: Sequence[tuple[str, str]],
    *,
    until: Until | None = None,
    stop: threading.Event | None = None,
    progress: OnProgress | None = None,
    pace: Pace | None = None,
) -> list[DeliveryReport | BusError]:
    """Deliver many grants, (grant id, sink address) each in a thread of its own; outcomes in the order given. They share `pace`.

    One that fails with an error of ours does not stop the others: its error is its outcome. Anything else is a fault of
    the program: all stop, and it is raised.
    """
    ending = stop or threading.Event()

    def one(pair: tuple[str, str]) -> DeliveryReport | BusError:
        try:
            return deliver(settings, *pair, until=until, stop=ending, progress=progress, watch=watch, pace=pace)
        except BusError as error:
            return error
        except BaseException:
            ending.set()
            raise

    with GrantWatch(settings) as watch, ThreadPoolExecutor(max(1, len(pairs)), "deliver") as pool:
        watch.state(fresh=True)  # a cluster out of reach is told once, not by every thread
        futures = [pool.submit(one, pair) for pair in pairs]
        try:
            return [f.result() for f in futures]
        except BaseException:  # Ctrl-C, or a fault in a thread: the others end too before the pool is left
            ending.set()
            raise


class Delivery:
    """One grant into one sink. `run` may be called once."""

    def __init__(
        self,
        settings: Settings,
        grant_id: str,
        sink_url: str,
        until: Until | None,
        stop: threading.Event,
        progress: OnProgress | None,
        watch: GrantWatch,
        rebuild: bool,
        pace: Pace,
        skip_unreadable: bool = False,
    ) -> None:
        self._pace = pace
        self._settings, self._grant_id, self._watch = settings, grant_id, watch
        self._sink, self._shown = sink_for(sink_url), shown(sink_url)
        self._until, self._stop, self._progress, self._rebuild = until, stop, progress, rebuild
        self._skip_unreadable = skip_unreadable
        self._tally = Tally()
        self._attempt = 0
        self._last_released: int | None = None
        self._grant: GrantInForce | None = None
        self._near: Nearness | None = None
        """How near this delivery was to having to begin anew, when last said."""

    def run(self) -> DeliveryReport:
        """Deliver until there is nothing more to do."""
        end: GrantEnd | None = None
        self._watch.grant(self._grant_id)  # a wrong name or address is told at once, not retried
        try:
            while not self._stop.is_set():
                try:
                    end = self._session()
                except TransientError as error:
                    self._wait(error)
                    continue
                except AwayTooLong as error:
                    telemetry.away_too_long(self._grant_id, error)
                    self._rebuild = True
                    self._tally.rebuilt += 1
                    continue
                if end is None or end.reason != "superseded":
                    break
                telemetry.superseded(end.grant, end.generation, end.message)
                self._tally.followed.append(end.generation)
        except BusError as error:
            telemetry.failed(self._grant_id, error)
            raise
        if end is not None:
            telemetry.ended(end.grant, end.generation, end.reason, end.message)
        return self._report(end)

    def _session(self) -> GrantEnd | None:
        """From opening topic and sink to the end of the grant, of the topic, or to `stop`."""
        sink = self._sink
        try:
            with GrantReader(
                self._settings, self._grant_id, watch=self._watch, skip_unreadable=self._skip_unreadable
            ) as reader:
                self._grant = reader.grant
                held = sink.open(reader.view, rebuild=self._rebuild)
                self._rebuild = False  # done, and durable: a retry goes on
                self._tally.opened(held)
                if not any(held.positions.values()):
                    telemetry.rebuilt(self._grant_id, reader.grant.topic, reader.grant.generation)
                reader.start(held.positions, held.since_ms)
                with ReadAhead(reader) as ahead:
                    end = self._pump(reader, ahead, sink)
                if isinstance(sink, Tended):
                    sink.tend(ending=True)
                return end
        finally:
            sink.close()

    def _pump(self, reader: GrantReader, ahead: ReadAhead, sink: Sink) -> GrantEnd | None:
        while not self._stop.is_set():
            room = self._pace.room(MAX_RECORDS)
            if not room:
                self._stop.wait(self._pace.wait_s())
                continue
            batch = ahead.poll(room)
            if batch is not None:
                self._pace.took(len(batch.records))
                ahead.read_on(batch, self._pace.room(MAX_RECORDS))
                self._write(sink, batch, reader)
            if isinstance(sink, Tended):
                sink.tend()
            self._tell(ahead)
            if ahead.ended is not None:
                return ahead.ended
            if self._until == "caught_up" and ahead.at_end:
                break
        rest = ahead.settle()
        if rest is not None:
            self._write(sink, rest, reader)
        return None

    def _write(self, sink: Sink, batch: Batch, reader: GrantReader) -> None:
        self._tell_waiting(batch, reader)
        began = time.perf_counter()
        written = sink.write(batch)
        write_s, now_ms = time.perf_counter() - began, time.time_ns() // 1_000_000
        self._attempt = 0
        released, counted = released_at(batch), by_op(batch)
        exact = reader.grant.grant.release_time == "millisecond"
        latencies = Counter((now_ms - released).clip(0).tolist()) if exact else Counter()
        if len(released):
            self._last_released = int(released[-1])
        self._tally.add(batch, written, counted, latencies)
        measured = telemetry.Measured(write_s, latencies)
        for place, reason in batch.unreadable:
            telemetry.skipped(self._grant_id, reader.grant.topic, place, reason)
        telemetry.delivered(self._grant_id, reader.grant.topic, batch, written, measured, counted)

    def _tell(self, ahead: ReadAhead) -> None:
        lag = 0 if ahead.at_end else ahead.lag
        age = 0.0 if self._last_released is None else max(0.0, time.time() - self._last_released / 1000)
        telemetry.lagging(self._grant_id, lag, age)
        if self._progress is not None:
            self._progress(Progress(self._grant_id, self._tally.by_op.total(), lag))

    def _tell_waiting(self, batch: Batch, reader: GrantReader) -> None:
        now_ms = time.time_ns() // 1_000_000
        age_ms = 0 if batch.oldest_ms is None else max(0, now_ms - batch.oldest_ms)
        telemetry.waiting(self._grant_id, age_ms / 1000)
        near = None if batch.oldest_ms is None else reader.absence.nearness(batch.oldest_ms, now_ms)
        if batch.oldest_ms is not None and near is not None and near != self._near:
            left_ms = reader.absence.left_ms(batch.oldest_ms, now_ms)
            telemetry.falling_behind(self._grant_id, near, age_ms / 1000, left_ms / 1000)
        self._near = near

    def _wait(self, error: TransientError) -> None:
        """Wait before trying again: doubling, with jitter so that many deliveries do not return at once."""
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._attempt, 10))
        wait_s = random.uniform(longest / 2, longest)
        if isinstance(error, RetryLater):
            wait_s = max(wait_s, error.wait_s)
        self._attempt += 1
        self._tally.retries += 1
        telemetry.retried(self._grant_id, error, self._attempt, wait_s)
        self._stop.wait(wait_s)

    def _report(self, end: GrantEnd | None) -> DeliveryReport:
        tally, grant = self._tally, self._grant
        if grant is None:
            raise PermanentError(
                Text("delivery was stopped before it began.", "投递在开始前已被停止。"), where=self._grant_id
            )
        return DeliveryReport(
            grant=self._grant_id,
            generation=grant.generation,
            topic=grant.topic,
            sink=self._shown,
            events=tally.by_op.total(),
            by_op=dict(tally.by_op),
            upserted=tally.upserted,
            deleted=tally.deleted,
            rejected=tally.rejected,
            tombstones=tally.tombstones,
            duplicates=tally.duplicates,
            held_events=tally.held_events,
            positions=dict(tally.positions),
            latency=tally.latency(),
            retries=tally.retries,
            ended=end.reason if end else None,
            cut_off=end is not None and end.cut_off,
            unreadable=tally.unreadable,
            followed=tuple(tally.followed),
            rebuilt=tally.rebuilt,
        )
