"""Dead letters judged once more, where somebody ordered it (`RetryOrdered` in the control log): the owner of the partition reads
the records again and gives those that no later record of their key has followed to the grants they failed for.

As history: nothing is known to have been delivered. One order and partition is one transaction: what is released, dead
letters of what fails again, a result for each letter, evidence, and in the partition's mark the order's epoch. So a kill neither
loses nor doubles it, and a worker that lost the partition is refused. Live records do not wait for it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from confluent_kafka import Message

from infra.runtime.orders import retry_proven
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.ids import resource_of
from schemas.policy_state import PolicyState
from stream_apps.exchange import telemetry
from stream_apps.exchange.evidence import stretch, written
from stream_apps.exchange.gaps import GapWatch
from stream_apps.exchange.marks import Mark
from stream_apps.exchange.newest import Newest
from stream_apps.exchange.outbox import Aborted, Output
from stream_apps.exchange.retry_orders import (
    NO_GRANT,
    REFUSED,
    Order,
    Results,
    known_before,
    note,
    order_for,
    outcomes,
    together,
)
from stream_apps.exchange.standing import Standing
from stream_apps.exchange.views import Rules
from stream_apps.exchange.worker import Exchange
from stream_apps.transport.unit import Place

_LOOK_S = 0.1
_AGAIN_S, _AGAIN_MAX_S = 0.5, 15.0


@dataclass(slots=True)
class _Carried:
    """What an order comes to, so far. `results`: a word for each letter, and the reason of one that failed again."""

    mark: Mark
    outputs: list[Output]
    results: Results
    judged: dict[int, set[str]]
    """By offset, the grants it was judged for."""


class Retrier:
    """A thread that looks for orders of the partitions owned. `start` once, `stop` once."""

    def __init__(self, exchange: Exchange, settings: Settings, failed: Callable[[BaseException], None]) -> None:
        self._exchange, self._settings, self._failed = exchange, settings, failed
        self._stop = threading.Event()
        self._waits: dict[Place, tuple[float, float]] = {}
        """Places where something was out of reach: when to try again, and how long to wait the time after."""
        self._thread = threading.Thread(target=self._run, name="retry", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the order in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stop.wait(_LOOK_S):
                for place, standing, order in self._due():
                    self._retry(place, standing, order)
        except BaseException as error:  # noqa: BLE001 - the process must end with it
            self._failed(error)

    def _due(self) -> list[tuple[Place, Standing, Order]]:
        """The oldest order of each partition that has one and is not waiting for anything."""
        state, now = self._exchange.policy.state, time.monotonic()
        if not state.retries:
            return []
        with self._exchange.lock:
            owned = [(p, s) for p, s in self._exchange.owned.items() if s.announced and not s.waits]
            found = [(p, s, order_for(state, p, s.mark.retried)) for p, s in owned]
        return [
            (p, s, order) for p, s, order in found if order is not None and self._waits.get(p, (0.0, 0.0))[0] <= now
        ]

    def _retry(self, place: Place, standing: Standing, order: Order) -> None:
        """Read until the partition's position is reached, then carry the order out."""
        records = Newest(self._settings, place, {one.offset for one in order.letters})
        try:
            while not self._stop.is_set() and self._exchange.owned.get(place) is standing:
                records.read()
                if records.at >= standing.next and self._carry_out(place, standing, order, records):
                    break
            self._waits.pop(place, None)
        except Aborted as abort:
            with self._exchange.lock:
                self._exchange.undone(abort)
            self._later(place)
        except TransientError as error:
            telemetry.retry_waits(place, order.epoch, error)
            self._later(place)
        finally:
            records.close()

    def _later(self, place: Place) -> None:
        _, wait_s = self._waits.get(place, (0.0, _AGAIN_S))
        self._waits[place] = time.monotonic() + wait_s, min(wait_s * 2, _AGAIN_MAX_S)

    def _carry_out(self, place: Place, standing: Standing, order: Order, records: Newest) -> bool:
        """One transaction; False if live records went on beyond what was read: those may be of the same keys."""
        exchange = self._exchange
        with exchange.lock:
            group = exchange.feed.group()
            if exchange.owned.get(place) is not standing or group is None:
                return True
            if records.at < standing.next:
                return False
            state, now = exchange.policy.state, exchange.tools.now_ms()
            rules = exchange.tools.book.rules(state, resource_of(place.topic))
            exchange.ahead.rest()  # one thread judges at a time
            carried = _Carried(replace(standing.mark, retried=order.epoch), [], {}, {})
            if self._entitled(order, rules, state):
                self._judge(place, standing, order, records.found, rules, carried, state.epoch, now)
            else:
                carried.results = dict.fromkeys(order.letters, (REFUSED, None))
            outputs = [*carried.outputs, outcomes(place, order, carried.results, state.epoch, now)]
            evidence = [
                stretch(place, (offset, offset + 1), state.epoch, now, {}, sorted(grants))
                for offset, grants in sorted(carried.judged.items())
            ]
            if evidence:
                outputs.append(written(evidence))
            exchange.commit(outputs, {place: (standing.next, carried.mark)}, state.epoch, group)
            if carried.judged:
                exchange.tools.witness.known.passed(place, max(carried.judged) + 1, history=True)
            telemetry.retried(place, order.epoch, [word for word, _ in carried.results.values()])
            return True

    def _entitled(self, order: Order, rules: Rules, state: PolicyState) -> bool:
        provider = rules.contract.resource.provider if rules.contract else None
        named = {one.grant for one in order.said.letters}
        subscribers = {
            state.grants[name].grant.subscriber if name is not None and name in state.grants else None for name in named
        }
        return retry_proven(order.said, provider, subscribers, self._exchange.tools.book.signers)

    def _judge(
        self,
        place: Place,
        standing: Standing,
        order: Order,
        found: Mapping[int, Message],
        rules: Rules,
        carried: _Carried,
        epoch: int,
        now: int,
    ) -> None:
        """Grants whose records are the same are judged together. One that has its history still to come gets it there."""
        exchange = self._exchange
        lanes, _ = exchange.writable(rules, now)
        waiting = {v.grant.opened for v in standing.pending(lanes)}
        lanes = [v for v in lanes if v.grant.opened not in waiting]
        carried.results = {one: (known_before(one, found, standing.next), None) for one in order.letters}
        open_now = [one for one in order.letters if carried.results[one][0] == NO_GRANT]
        for offsets, some in together(lanes, open_now).items():
            messages = [found[offset] for offset in sorted(offsets)]
            watch = GapWatch((), [m.key() or b"" for m in messages], exchange.tools.hashed)
            result = exchange.tools.witness.judge(place, messages, rules, some, watch, now, history=True)
            result.gaps |= carried.mark.gaps
            given, bounds = [v.grant.grant.id for v in some], (min(offsets), max(offsets) + 1)
            work = exchange.work(place, bounds, messages, result, rules, {}, carried.mark, epoch, now, given)
            broken = {v.grant.opened for v in result.broken}
            carried.mark = replace(work.mark, off=work.mark.off | frozenset(broken))
            carried.outputs += work.outputs
            telemetry.judged_again(resource_of(place.topic), result)
            faults = {(messages[f.record].offset() or 0, f.grant): f.reason for f in result.faults}
            names = set(given) - {v.grant.grant.id for v in result.broken}
            for offset in offsets:
                carried.judged.setdefault(offset, set()).update(names)
            note(carried.results, [one for one in open_now if one.offset in offsets], names, faults)
