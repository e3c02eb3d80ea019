"""The exchange itself: owns partitions, turns units into transactions, confirms policy epochs.

Threads: the agent's brings units (`handle`), the poll thread assignments (`assigned`, `revoked`), the policy thread looks
after what is due (`turn`), the replay thread gives new grants their history (`replay.py`, `backfill.py`). One lock makes one transaction of one policy
epoch out of whatever they do; whoever holds it waits for nobody but Kafka.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from immutables import Map

from infra.runtime.signers import Signers
from schemas.errors import TransientError
from schemas.evidence import CATCHING_UP, NOT_STARTED, OUTAGE, Stretch
from schemas.ids import resource_of, source_topic
from schemas.key_ring import KeyRing
from schemas.policy_state import ContractInForce, PolicyState
from stream_apps.exchange import telemetry
from stream_apps.exchange.ahead import Ahead, Basis, Judgement
from stream_apps.exchange.breaker import Breaker
from stream_apps.exchange.dead_letters import letters
from stream_apps.exchange.evidence import check_topic, stretch, written
from stream_apps.exchange.gaps import GapWatch
from stream_apps.exchange.judge import Judged
from stream_apps.exchange.marks import Mark, read_mark
from stream_apps.exchange.outage import found, reached, reading_on
from stream_apps.exchange.outbox import Aborted, Output
from stream_apps.exchange.same_topics import compare, signed
from stream_apps.exchange.standing import Standing
from stream_apps.exchange.tools import Policy, Tools
from stream_apps.exchange.views import Lane, Rules
from stream_apps.transport.unit import Committed, Feed, Place, Slice, Unit

_RETRY_S = 0.5
_RETRY_MAX_S = 15.0
_ABORTS_IN_A_ROW = 30
_LAG_EVERY_S = 2.0
_UPCOMING_S = 0.05
"""Longest wait for the next unit to be complete, in which it could be judged ahead."""


@dataclass(frozen=True, slots=True)
class Work:
    """A slice, judged, and the mark its partition gets with it."""

    place: Place
    judged: Judged
    outputs: list[Output]
    mark: Mark
    withheld: dict[str, str]
    evidence: Stretch
    basis: Basis | None = None
    """What it was judged on, unless it is history."""


class NotNow(Exception):
    """A partition must wait, and why."""

    def __init__(self, place: Place, why: str, error: BaseException | None = None) -> None:
        super().__init__(why)
        self.place, self.why, self.error = place, why, error


class Exchange:
    """The `Owner` of the transport's partitions and the handler of its units."""

    def __init__(self, tools: Tools, policy: Policy) -> None:
        self.tools, self.policy = tools, policy
        self.feed: Feed
        self.lock = threading.RLock()
        self.owned: dict[Place, Standing] = {}
        self._breakers: dict[str, Breaker] = {}
        self._aborts = 0
        self._epoch = -2
        self._subscribed: tuple[str, ...] | None = None
        """Resources whose topics are read."""
        self._contracts: Map[str, ContractInForce] | None = None
        self._lag_at = 0.0
        self.ahead = Ahead(self._judge_now, lambda: self.feed.upcoming(_UPCOMING_S))

    # -- the Owner, in the poll thread

    def assigned(self, places: Mapping[Place, Committed]) -> Mapping[Place, int]:
        """See `Owner`. The control log is read to its end, and at least to what the last owners knew."""
        said = {p: read_mark(c.metadata) if c.offset is not None else Mark() for p, c in places.items()}
        state = self.policy.at_end(max((m.epoch for m in said.values()), default=-1))
        begins = self.tools.begins([p for p, c in places.items() if c.offset is None])
        marks = found(said, places, self.tools)
        with self.lock:
            for place, committed in places.items():
                if committed.offset is None:
                    mark = replace(
                        marks[place], live=state.epoch, retried=state.epoch
                    )  # all of it is still to be judged
                    self.owned[place] = Standing(begins[place], mark, begins[place])
                else:
                    self.owned[place] = Standing(committed.offset, marks[place])
            telemetry.assigned(list(places), len(self.owned))
            return {place: self.owned[place].next for place in places}

    def revoked(self, places: Sequence[Place]) -> None:
        """See `Owner`."""
        with self.lock:
            for place in places:
                standing = self.owned.pop(place, None)
                for why in standing.waits if standing else ():
                    telemetry.resumed(place, why)
            telemetry.revoked(places, len(self.owned))

    # -- units, in the agent's thread

    def handle(self, unit: Unit) -> None:
        """One unit, one transaction, one epoch. Ends in `done` or `rewind`; an unknown error ends the process."""
        try:
            with self.lock:
                whole = self._attempt(unit)
        except NotNow as wait:
            with self.lock:
                self.wait(wait.place, wait.why, wait.error)
            self._rewind(unit)
        except Aborted as abort:
            with self.lock:
                self.undone(abort)
            self._aborts += 1
            if self._aborts > _ABORTS_IN_A_ROW:
                raise
            time.sleep(min(0.01 * 2 ** min(self._aborts, 7), 1.0))  # not at once again: brokers may be electing
            self._rewind(unit)
        else:
            self._aborts = 0
            if whole:
                self.feed.done(unit)
            else:
                self._rewind(unit)  # to what was committed: the rest comes with the next units

    def undone(self, abort: Aborted) -> None:
        """Look again at what can be written before the next attempt. Under the lock."""
        telemetry.aborted(abort.reason, abort.refused)
        self.tools.topics.forget()
        self.tools.topics.refuse(abort.refused)

    def _attempt(self, unit: Unit) -> bool:
        """Whether all of the unit was committed: of slices that may kill this process a part is."""
        began, state, at_ms = time.perf_counter(), self.policy.state, self.tools.now_ms()
        self._continues(unit)
        slices = [self.tools.witness.first(part) for part in unit.slices]
        work = [self._judged(part, state, at_ms) for part in slices]
        judged_at = time.perf_counter()
        offsets = {part.place: (part.end, w.mark) for part, w in zip(slices, work, strict=True)}
        offsets |= {p: (self.owned[p].next, m) for p, m in self._due(state).items() if p not in offsets}
        self._look_ahead(slices, work)
        outputs = [*(o for w in work for o in w.outputs), written([w.evidence for w in work])]
        self.commit(outputs, offsets, state.epoch, unit.group)
        released = self.tools.now_ms()
        for w in work:
            resource = resource_of(w.place.topic)
            self.owned[w.place].attempts = 0
            self._breaker(resource).passed(w.judged.records, w.judged.faulty)
            telemetry.judged(resource, w.judged, w.withheld, released)
        telemetry.unit_done(began, judged_at, time.perf_counter())
        return all(part is given for part, given in zip(slices, unit.slices, strict=True))

    def _look_ahead(self, slices: Sequence[Slice], work: Sequence[Work]) -> None:
        """While this unit is being written, judge the next as if it were written already; but not where a record is suspected
        of killing this process."""
        suspects = self.tools.witness.known
        self.ahead.begin(
            {
                part.place: replace(w.basis, start=part.end, gaps=self._gaps(w.mark))
                for part, w in zip(slices, work, strict=True)
                if w.basis is not None and suspects.of(part.place, history=False) is None
            }
        )

    def _gaps(self, mark: Mark) -> frozenset[str]:
        return frozenset(self.tools.hashed.readable(mark.gaps))

    def _judge_now(self, part: Slice, basis: Basis) -> Judgement:
        at_ms = self.tools.now_ms()
        return Judgement(self._judge(part, basis, at_ms), at_ms)

    def _judge(self, part: Slice, basis: Basis, at_ms: int) -> Judged:
        watch = GapWatch(basis.gaps, [m.key() or b"" for m in part.messages], self.tools.hashed)
        return self.tools.witness.judge(part.place, part.messages, basis.rules, basis.lanes, watch, at_ms)

    def _continues(self, unit: Unit) -> None:
        """Each partition goes on exactly where its last commit ended."""
        for part in unit.slices:
            standing = self.owned.get(part.place)
            if standing is None or standing.next != part.start:
                raise Aborted("discontinuity")

    def _judged(self, part: Slice, state: PolicyState, at_ms: int) -> Work:
        place, standing, resource = part.place, self.owned[part.place], resource_of(part.place.topic)
        try:
            rules = self.tools.book.rules(state, resource)
            standing.mark = reading_on(
                place, standing, standing.settled(state.epoch), at_ms // 1000, self.tools.outage_s
            )
            writable, withheld = self.writable(rules, at_ms)
            compare(place, standing, writable, self.tools.topics)
            apart = standing.apart(writable)
            withheld |= apart
            lanes = [v for v in writable if v.grant.opened not in apart] if apart else writable
            basis = Basis(part.start, rules, lanes, self._gaps(standing.mark))
            made = self.ahead.take(part, basis, at_ms)
            result, at_ms = (made.result, made.at_ms) if made else (self._judge(part, basis, at_ms), at_ms)
            if self._breaker(resource).trips(result.records, result.faulty):
                raise NotNow(place, "stopped")
            bounds = part.start, part.end
            work = self.work(place, bounds, part.messages, result, rules, withheld, standing.mark, state.epoch, at_ms)
            return replace(work, basis=basis, mark=reached(work.mark, part, at_ms))
        except TransientError as error:
            raise NotNow(place, "retry", error) from error

    def writable(self, rules: Rules, at_ms: int) -> tuple[list[Lane], dict[int, str]]:
        """The grants that may be written at a moment, and the others by opening epoch with the reason. One whose first day
        has not come is left out like one without a topic: on that day it is given the history."""
        gone = self.tools.topics.unusable([v.grant.topic for v in rules.lanes])
        withheld = {w.grant.opened: w.reason for w in rules.withheld}
        withheld |= {v.grant.opened: NOT_STARTED for v in rules.lanes if v.starts_ms > at_ms}
        withheld |= {v.grant.opened: gone[v.grant.topic] for v in rules.lanes if v.grant.topic in gone}
        return [v for v in rules.lanes if v.grant.opened not in withheld], withheld

    def work(
        self,
        place: Place,
        bounds: tuple[int, int],
        messages: Sequence[Any],
        result: Judged,
        rules: Rules,
        withheld: dict[int, str],
        mark: Mark,
        epoch: int,
        at_ms: int,
        history: Sequence[str] | None = None,
    ) -> Work:
        """What is to be written for a judged slice (offsets `bounds`), dead letters and evidence included; `history`: the
        grants it is history of. TransientError without a topic for either."""
        check_topic(self.tools.topics)
        withheld |= {v.grant.opened: "not_encodable" for v in result.broken}
        outputs = [Output(topic, place.partition, entries) for topic, entries in result.entries.items()]
        if result.faults:
            outputs.append(letters(place, messages, result.faults, epoch, at_ms, self.tools.topics))
        missed = frozenset(
            o for o, why in withheld.items() if why not in (CATCHING_UP, OUTAGE) and result.records > result.tombstones
        )
        grants = [v.grant for v in rules.lanes] + [w.grant for w in rules.withheld]
        names = {g.opened: g.grant.id for g in grants}
        mark = replace(mark, off=mark.off | missed).with_gaps(result.gaps)
        mark = signed(self.owned[place], mark, rules.lanes, self.tools.topics)
        named = {names[o]: why for o, why in withheld.items()}
        return Work(place, result, outputs, mark, named, stretch(place, bounds, epoch, at_ms, named, history))

    def commit(
        self, outputs: Sequence[Output], offsets: Mapping[Place, tuple[int, Mark]], epoch: int, group: Any
    ) -> None:
        """One transaction under one policy epoch; what it confirms is known from then on. Raises Aborted."""
        sender = self.tools.sender
        marks = {p: (at, replace(m, epoch=epoch, transaction=sender.transaction)) for p, (at, m) in offsets.items()}
        sender.commit(outputs, {p: (at, m.text()) for p, (at, m) in marks.items()}, group)
        for place, (at, mark) in marks.items():
            standing = self.owned[place]
            standing.next, standing.mark, standing.announced = at, mark, True
            self.tools.witness.known.passed(place, at)

    # -- what is due, in the policy thread

    def turn(self) -> None:
        """Look after announcements, epochs to confirm, partitions to try again, and the lag shown.

        ConfigError if the control log announces another master key than ours: the process must not go on releasing.
        """
        state = self.policy.state
        if state.epoch != self._epoch:
            self._policy_changed(state)
        with self.lock:
            due = self._due(state)
            group = self.feed.group()
            if due and group is not None:
                try:
                    self.commit([], {p: (self.owned[p].next, m) for p, m in due.items()}, state.epoch, group)
                except Aborted as abort:
                    telemetry.aborted(abort.reason)  # the next turn tries again, with what the group is then
            now = time.monotonic()
            for place, standing in self.owned.items():
                if "retry" in standing.waits and now >= standing.retry_at:
                    self.go_on(place, "retry")
        if time.monotonic() - self._lag_at > _LAG_EVERY_S:
            self._lag_at = time.monotonic()
            telemetry.lag(self.feed.lag(), self.tools.now_ms())

    def _due(self, state: PolicyState) -> dict[Place, Mark]:
        """Partitions that must confirm an epoch or announce this worker."""
        return {
            place: s.settled(state.epoch)
            for place, s in self.owned.items()
            if not s.announced or s.mark.epoch < state.changed.get(resource_of(place.topic), -1)
        }

    def renew(self, ring: KeyRing) -> None:
        """From now on these master keys (the custodian gave them)."""
        with self.lock:
            self.tools.book.renew(ring)
            self.tools.hashed.renew(ring)

    def trust(self, signers: Signers) -> None:
        """From now on these people's signatures open grants."""
        with self.lock:
            self.tools.book.trust(signers)

    def _policy_changed(self, state: PolicyState) -> None:
        with self.lock:
            self.tools.book.ring.verify(state.keys)
            for place, standing in self.owned.items():
                resource = resource_of(place.topic)
                if "stopped" in standing.waits and state.changed.get(resource, -1) > self._epoch:
                    self._breaker(resource).reset()
                    self.go_on(place, "stopped")
        self._epoch = state.epoch
        telemetry.epoch(state.epoch)
        self._subscribe(state)

    def _subscribe(self, state: PolicyState) -> None:
        """Read other topics, if a resource was added. A new subscription is a rebalance, and asking after a thousand topics
        takes the poll thread a while: no grant pays for it."""
        if state.contracts is self._contracts:
            return
        self._contracts, resources = state.contracts, tuple(sorted(state.contracts))
        if resources != self._subscribed:
            self._subscribed = resources
            self.feed.subscribe([source_topic(resource) for resource in resources])

    # -- waiting

    def wait(self, place: Place, why: str, error: BaseException | None = None) -> None:
        """Read nothing from a partition for now. Under the lock."""
        standing = self.owned.get(place)
        if standing is None or why in standing.waits:
            return
        standing.waits.add(why)
        if why == "retry":
            standing.retry_at = time.monotonic() + min(_RETRY_S * 2**standing.attempts, _RETRY_MAX_S)
            standing.attempts = min(standing.attempts + 1, 10)
        self.feed.pause([place])
        telemetry.paused(place, why, error)

    def go_on(self, place: Place, why: str) -> None:
        """One reason less to wait. Under the lock."""
        standing = self.owned.get(place)
        if standing is None or why not in standing.waits:
            return
        standing.waits.discard(why)
        telemetry.resumed(place, why)
        if not standing.waits:
            self.feed.resume([place])

    def _rewind(self, unit: Unit) -> None:
        with self.lock:
            self.feed.rewind(unit, {place: standing.next for place, standing in self.owned.items()})

    def _breaker(self, resource: str) -> Breaker:
        return self._breakers.setdefault(resource, Breaker(self.tools.stop_share))
