"""History for new grants: the owner reads a partition from its beginning up to the group's position, and gives what it
finds to the new grants alone, while the partition's live records wait (correct, not isolated).

It reads through a consumer of its own, never the group's. Every chunk is one transaction that also commits the group's
unchanged offset with the progress made, so a kill resumes where the last commit was and a worker that lost the partition
is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.ids import resource_of
from stream_apps.exchange import telemetry
from stream_apps.exchange.evidence import written
from stream_apps.exchange.gaps import GapWatch
from stream_apps.exchange.marks import Mark, Replaying
from stream_apps.exchange.outbox import Aborted
from stream_apps.exchange.standing import Standing, after_replay
from stream_apps.exchange.views import Rules
from stream_apps.exchange.worker import Exchange
from stream_apps.transport.consumer import raise_unless_passing
from stream_apps.transport.unit import Place

_CHUNK = 5_000
_LOOK_S = 0.05
_WAIT_S = 0.1


class Replayer:
    """A thread that looks for partitions with grants to catch up. `start` once, `stop` once."""

    def __init__(self, exchange: Exchange, settings: Settings, failed: Callable[[BaseException], None]) -> None:
        self._exchange, self._settings, self._failed = exchange, settings, failed
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
            while not self._stop.wait(_LOOK_S):
                found = self._next()
                if found is not None:
                    self._replay(*found)
        except BaseException as error:  # noqa: BLE001 - the process must end with it
            self._failed(error)

    def _next(self) -> tuple[Place, Standing] | None:
        """One lock for each partition: its rules may have to be compiled, and units of others go on in between."""
        exchange = self._exchange
        with exchange.lock:
            places = list(exchange.owned)
        for place in places:
            with exchange.lock:
                standing = exchange.owned.get(place)
                if standing is not None and self._lacks(place, standing):
                    return place, standing
        return None

    def _lacks(self, place: Place, standing: Standing) -> bool:
        """Whether a partition has grants to catch up; then it waits from here on."""
        if not standing.announced or standing.waits - {"replay"}:
            return False
        if standing.next > standing.begin and self._grants(place, standing):
            self._exchange.wait(place, "replay")
            return True
        self._exchange.go_on(place, "replay")
        return False

    def _grants(self, place: Place, standing: Standing) -> frozenset[int]:
        """Opening epochs of the grants to replay now: those begun, if they still are to be, else all that wait."""
        pending = frozenset(v.grant.opened for v in standing.pending(self._rules(place).lanes))
        if not pending:
            return pending
        try:
            pending -= self._exchange.writable(self._rules(place))[1].keys()
        except TransientError as error:
            self._exchange.wait(place, "retry", error)
            return frozenset()
        begun = standing.mark.replay.grants if standing.mark.replay else frozenset()
        return begun & pending or pending

    def _rules(self, place: Place) -> Rules:
        return self._exchange.tools.book.rules(self._exchange.policy.state, resource_of(place.topic))

    def _replay(self, place: Place, standing: Standing) -> None:
        """Chunk by chunk, until the group's position is reached, the partition is lost, or something is out of reach."""
        begun = standing.mark.replay
        with self._exchange.lock:
            same = begun is not None and begun.grants >= self._grants(place, standing)
        history = _History(self._settings, place, begun.at if same and begun else 0)
        try:
            while not self._stop.is_set() and self._exchange.owned.get(place) is standing:
                messages, at = history.read(standing.next)
                if (messages or at >= standing.next) and self._chunks(place, standing, messages, at):
                    return
        except Aborted as abort:
            with self._exchange.lock:
                self._exchange.undone(abort)
                self._exchange.wait(place, "retry")  # not at once again, and longer each time
        except TransientError as error:
            with self._exchange.lock:
                self._exchange.wait(place, "retry", error)
        finally:
            history.close()

    def _chunks(self, place: Place, standing: Standing, messages: list[Message], at: int) -> bool:
        """What was read, in one transaction, or in several if some of it may kill this process; whether the replay is over."""
        pieces = self._exchange.tools.witness.pieces(place, messages, at, history=True)
        return any(self._chunk(place, standing, some, upto) for some, upto in pieces)

    def _chunk(self, place: Place, standing: Standing, messages: Sequence[Message], at: int) -> bool:
        """One transaction; whether the replay is over."""
        exchange = self._exchange
        with exchange.lock:
            group = exchange.feed.group()
            if exchange.owned.get(place) is not standing:
                return True
            state, now = exchange.policy.state, exchange.tools.now_ms()
            rules, grants = self._rules(place), self._grants(place, standing)
            lanes = [v for v in rules.lanes if v.grant.opened in grants]
            exchange.ahead.rest()  # one thread judges at a time
            watch = GapWatch((), [m.key() or b"" for m in messages], exchange.tools.hashed)
            witness = exchange.tools.witness
            result = witness.judge(place, messages, rules, lanes, watch, now, history=True)
            over = at >= standing.next or not lanes
            mark = replace(standing.mark, replay=Replaying(grants, at))
            broken = {v.grant.opened for v in result.broken}
            if over:
                mark = after_replay(standing.mark, grants, rules)
                telemetry.replayed(place, len(lanes), at)
            result.gaps |= standing.mark.gaps
            first = messages[0].offset() if messages else None
            bounds, given = (at if first is None else first, at), [v.grant.grant.id for v in lanes]
            work = exchange.work(place, bounds, messages, result, rules, {}, mark, state.epoch, now, given)
            final: Mark = replace(work.mark, off=work.mark.off | frozenset(broken))
            outputs = [*work.outputs, written([work.evidence])]
            exchange.commit(outputs, {place: (standing.next, final)}, state.epoch, group)
            witness.known.passed(place, standing.next if over else at, history=True)
            telemetry.judged_again(resource_of(place.topic), result)
            return over


class _History:
    """A partition read from an offset, by a consumer that belongs to no group."""

    def __init__(self, settings: Settings, place: Place, at: int) -> None:
        config = consumer_config(
            settings, "bus.exchange-replay", **{"auto.offset.reset": "earliest", "enable.partition.eof": True}
        )
        self._consumer: Any = Consumer(config)
        self._consumer.assign([TopicPartition(place.topic, place.partition, at)])
        self._at = at

    def read(self, until: int) -> tuple[list[Message], int]:
        """Records before `until` that came within a tenth of a second, and where reading stands now."""
        out = []
        for message in self._consumer.consume(_CHUNK, _WAIT_S):
            error = message.error()
            if error is not None:
                raise_unless_passing([error])
                if error.code() == KafkaError._PARTITION_EOF:
                    self._at = max(self._at, message.offset())
            elif message.offset() < until:
                out.append(message)
                self._at = message.offset() + 1
            else:
                self._at = until
        return out, self._at

    def close(self) -> None:
        """Give back the connections."""
        self._consumer.close()
