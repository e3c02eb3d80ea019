"""The poll thread: it owns the consumer and keeps the ledger. It is the `Feed` of the exchange.

librdkafka joins a group and serves rebalances only while it is polled, so the thread polls from `start` to `stop`, also
when the agent is slow: with no room it pauses every partition and polls on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaException, Message

from schemas.errors import PermanentError
from schemas.text import Text
from stream_apps.transport.consumer import SourceConsumer, raise_unless_passing
from stream_apps.transport.gather import split
from stream_apps.transport.ledger import Ledger
from stream_apps.transport.source import Source
from stream_apps.transport.unit import Place, Slice, Unit

_IDLE_S = 0.1
"""Longest single wait for a record: what other threads ask for is done at least this often."""
_REFRESH_S = 0.4
"""How often the cluster is asked about subscribed topics it did not know."""
_SEEK_AGAIN_S = 0.01


class Poller:
    """Units from a group of Kafka consumers, for one agent. `start` once, `take` and `done` in turn, `stop` once."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._limits = source.limits
        self._ledger = Ledger(source.limits)
        self._consumer = SourceConsumer(source.consumer, self._assigned, self._revoked)
        self._thread = threading.Thread(target=self._run, name="units", daemon=True)
        self._watchdog = threading.Thread(target=self._watch, name="units-watchdog", daemon=True)
        self._left = threading.Event()
        self._wanted: tuple[str, ...] | None = None
        """Topics to subscribe to, set by any thread, taken by the poll thread."""
        self._missing: set[str] = set()
        self._topics: tuple[str, ...] = ()
        self._refresh_at = 0.0
        self._sweep_at = 0.0
        self._asleep: frozenset[Place] = frozenset()
        self._group: Any = None

    # -- the Feed

    def done(self, unit: Unit) -> None:
        """See `Feed`."""
        self._ledger.done(unit)

    def upcoming(self, timeout: float) -> Sequence[Slice]:
        """See `Feed`."""
        return self._ledger.upcoming(timeout)

    def rewind(self, unit: Unit, places: Mapping[Place, int]) -> None:
        """See `Feed`."""
        self._ledger.rewind(unit, places)

    def subscribe(self, topics: Sequence[str]) -> None:
        """See `Feed`."""
        self._wanted = tuple(topics)

    def pause(self, places: Sequence[Place]) -> None:
        """See `Feed`."""
        self._ledger.pause(places)

    def resume(self, places: Sequence[Place]) -> None:
        """See `Feed`."""
        self._ledger.resume(places)

    def group(self) -> Any:
        """See `Feed`. None before the first poll."""
        return self._group

    def lag(self) -> Mapping[Place, int]:
        """See `Feed`."""
        ends = self._consumer.ends
        return {place: max(0, ends[place] - at) for place, at in self._ledger.finished.items() if place in ends}

    def fail(self, error: BaseException) -> None:
        """See `Feed`."""
        self._ledger.fail(error)

    # -- the driver's side

    @property
    def error(self) -> BaseException | None:
        """What ended the source, if anything did."""
        return self._ledger.error

    def on_change(self, wake: Callable[[], object]) -> None:
        """Call `wake`, from any thread, when a unit may be taken or the source has failed."""
        self._ledger.on_change(wake)

    def take(self) -> Unit | None:
        """The next unit, if there is one and none is in flight."""
        return self._ledger.take()

    def start(self) -> None:
        """Subscribe and poll from now on."""
        self._thread.start()
        self._watchdog.start()

    def stop(self) -> None:
        """Finish the unit in flight and leave the group. Blocks; afterwards `error` says whether that went well."""
        self._ledger.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._left.set()

    # -- the poll thread

    def _run(self) -> None:
        try:
            if self._wanted is None:
                self._wanted = tuple(self._source.topics())
            while not self._ledger.ending:
                self._turn()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process must end with it
            self._ledger.fail(error)
        finally:
            self._leave()

    def _turn(self) -> None:
        self._refresh()
        self._follow_pauses()
        if not self._seek():
            self._take_in(self._consumer.consume(1, _SEEK_AGAIN_S))
        elif self._ledger.room() or self._ledger.wait_for_room(self._limits.full_s):
            self._fill()
        else:
            self._serve_only()

    def _fill(self) -> None:
        """One wait for a record, then whatever else has arrived, up to a chunk."""
        first = self._consumer.consume(1, _IDLE_S)
        rest = min(self._ledger.room(), self._limits.chunk) - 1
        if first and rest > 0 and first[0].error() is None:
            first += self._consumer.consume(rest, 0)
        self._take_in(first)

    def _serve_only(self) -> None:
        """No room for long: keep the membership alive without taking records in."""
        self._consumer.pause(self._ledger.owned)
        while not self._ledger.wait_for_room(0):
            self._refresh()
            self._take_in(self._consumer.poll(_IDLE_S))
            self._consumer.pause(self._ledger.owned)
        self._consumer.resume(self._ledger.owned)
        self._asleep = frozenset()

    def _take_in(self, messages: list[Message]) -> None:
        found, errors = split(messages)
        raise_unless_passing(errors)
        places = set(found)
        now = time.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + self._limits.sweep_s
            places |= self._ledger.owned.keys()
        ends = self._consumer.positions(places)
        if found or self._group is None or len(ends) > len(found):
            self._group = self._consumer.group()
        self._ledger.take_in(found, ends, self._group)

    def _seek(self) -> bool:
        """Make the seeks that are due; whether none is left."""
        due = self._ledger.due_seeks()
        made = {place: offset for place, offset in due.items() if self._consumer.seek(place, offset)}
        self._ledger.sought(made)
        return len(made) == len(due)

    def _follow_pauses(self) -> None:
        """Withheld places are not fetched either, else their records would be fetched and dropped for ever."""
        withheld = self._ledger.withheld
        if withheld == self._asleep:
            return
        owned = self._ledger.owned.keys()
        self._consumer.resume((self._asleep - withheld) & owned)
        self._consumer.pause(withheld & owned)
        self._asleep = withheld

    def _refresh(self) -> None:
        """Subscribe if asked to, and look again for topics that did not exist."""
        wanted, self._wanted = self._wanted, None
        now = time.monotonic()
        if wanted is None and not (self._missing and now >= self._refresh_at):
            return
        self._refresh_at = now + _REFRESH_S
        before, self._topics = self._missing, self._topics if wanted is None else wanted
        try:
            self._missing = self._consumer.missing(self._topics)
        except KafkaException as error:
            self._missing = set(self._topics)
            raise_unless_passing([error.args[0]])
        if wanted is not None or self._missing != before:
            self._consumer.subscribe(self._topics)

    # -- rebalances, called inside a poll

    def _assigned(self, places: Sequence[Place]) -> None:
        self._ledger.hold()
        try:
            offsets = self._owner_says(places) if places and self.error is None else {}
            self._consumer.assign(offsets)
            self._ledger.own(offsets)
            self._group = self._consumer.group()
        finally:
            self._ledger.release()

    def _owner_says(self, places: Sequence[Place]) -> Mapping[Place, int]:
        offsets = self._source.owner.assigned(self._consumer.committed(places))
        if offsets.keys() != set(places) or min(offsets.values()) < 0:
            raise ValueError("the owner must name one offset for each place that was assigned")
        return offsets

    def _revoked(self, places: Sequence[Place]) -> None:
        self._ledger.hold()
        try:
            self._ledger.disown(places)
            self._asleep -= frozenset(places)
            if self.error is None:
                self._source.owner.revoked(places)
            self._consumer.unassign(places)
        finally:
            self._ledger.release()

    def _leave(self) -> None:
        try:
            self._consumer.close()
        except BaseException as error:  # noqa: BLE001 - it must not hide in a thread
            self._ledger.fail(error)
        finally:
            self._left.set()

    # -- the watchdog

    def _behind(self) -> bool:
        ends, withheld = self._consumer.ends, self._ledger.withheld
        return any(ends.get(place, 0) > at for place, at in self._ledger.owned.items() if place not in withheld)

    def _watch(self) -> None:
        while not self._left.wait(1.0):
            waited = self._ledger.waiting(self._behind())
            if waited > self._limits.stuck_s:
                self._ledger.fail(
                    PermanentError(
                        Text(
                            f"work has waited for {waited:.0f} s and no unit was finished.",
                            f"有待处理的数据, 但 {waited:.0f} 秒内没有完成任何单元。",
                        )
                    )
                )
                return
