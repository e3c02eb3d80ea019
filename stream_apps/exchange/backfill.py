"""A pass: one partition's history, given to the grants that wait for it, while the partition's live records go on to the others.

It follows the group: chunk by chunk it gives [begin, next) to the new grants alone, and live units leave these grants out.
Each chunk is a transaction that also commits the group's offset, which it does not move, with the progress made. So a kill
resumes where the last commit was, and a worker that lost the partition is refused. The chunk that comes to the group's own
position makes the grants live in its transaction: the next live unit begins exactly there.

Why it gets there, whatever the load: a chunk is half as long again as what live units added since the one before, so the
distance shrinks with each. What is left is read, judged and written under the lock once it is short (`_SHORT` records, or two
of the last units), where no unit can add to it: a pause of milliseconds. If for ten chunks the distance has not
shrunk, because the machine has no more to give, chunks are judged under the lock too until it is half of that (the second
time, to the end): then one live unit at most comes between two of them, and live records wait.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from confluent_kafka import Message

from schemas.ids import resource_of
from stream_apps.exchange import telemetry
from stream_apps.exchange.ahead import MAX_AGE_MS, Basis, Judgement
from stream_apps.exchange.evidence import written
from stream_apps.exchange.gaps import GapWatch
from stream_apps.exchange.marks import Replaying
from stream_apps.exchange.same_topics import compare
from stream_apps.exchange.standing import Standing, after_replay
from stream_apps.exchange.worker import Exchange, Work
from stream_apps.transport.unit import Place

_WAIT_S = 0.1
_LAST_WAIT_S = 0.05
"""Under the lock: for what a live unit added since the rest was read, which comes a few milliseconds later."""
_LEAST, _MOST = 250, 4_000
"""Records in a chunk, unless live records come faster."""
_JUDGE_S = 0.03
"""How long judging a chunk should take: a live slice that comes meanwhile waits for it."""
_SHORT = 500
_LARGEST = 30_000
"""More than two units hold."""
_PATIENCE = 10
_BROKEN_S = 60.0
"""Before a grant whose output could not be encoded, a fault of ours, is tried again from the beginning."""


class Records(Protocol):
    """Where history comes from (`History`)."""

    def read(self, most: int, until: int, seconds: float) -> tuple[list[Message], int]: ...
    def ready(self, until: int, seconds: float) -> bool: ...
    def close(self) -> None: ...


class Pass:
    """One pass over one partition. `step` it until it says that it is over; whatever it raises, begin another where the mark
    says. `grants` are opening epochs: those that end or cannot be written meanwhile leave it, and none joins."""

    def __init__(
        self, exchange: Exchange, place: Place, standing: Standing, grants: frozenset[int], records: Records, at: int
    ) -> None:
        self._exchange, self._place, self._standing = exchange, place, standing
        self._grants, self._records, self.at = grants, records, at
        self._began, self._size = at, _LEAST
        self._next, self._grew = standing.next, 0
        self._nearest, self._lost_ground = standing.next - at, 0
        self._goal: int | None = None
        self._again = False

    @property
    def grew(self) -> int:
        """Offsets that live units added between the last two chunks."""
        return self._grew

    def step(self) -> bool:
        """One chunk; whether the pass is over. Raises Aborted (look again at what can be written), TransientError."""
        self._measure()
        witness, history = self._exchange.tools.witness, True
        if witness.known.of(self._place, history) is not None:
            messages, at = self._records.read(self._size, self._standing.next, _WAIT_S)
            pieces = witness.pieces(self._place, messages, at, history=history)
            return any(self._under_the_lock(some, upto) for some, upto in pieces)
        if self._near():
            if not self._records.ready(self._standing.next, _WAIT_S):
                return self._lost()
            with self._exchange.lock:
                return self._written(*self._records.read(_LARGEST, self._standing.next, _LAST_WAIT_S))
        messages, at = self._records.read(self._most(), self._standing.next, _WAIT_S)
        if at == self.at and not messages:
            return self._lost()
        if self._goal is not None:
            return self._under_the_lock(messages, at)
        with self._exchange.lock:
            basis = self._basis()
        began = time.perf_counter()
        made = self._judged(messages, basis)
        self._fit(len(messages), time.perf_counter() - began)
        with self._exchange.lock:
            return self._written(messages, at, basis, made)

    def _lost(self) -> bool:
        return self._exchange.owned.get(self._place) is not self._standing

    def close(self) -> None:
        """Read no more."""
        self._records.close()
        telemetry.history_left(self._place)

    # -- how much at once

    def _measure(self) -> None:
        now = self._standing.next
        self._grew, self._next = now - self._next, now
        left = now - self.at
        if left < self._nearest if self._goal is None else left <= self._goal:
            self._nearest, self._lost_ground, self._goal = left, 0, None
            return
        self._lost_ground += 1
        if self._lost_ground > _PATIENCE and self._goal is None:
            self._goal, self._again = 0 if self._again else left // 2, True

    def _most(self) -> int:
        return max(self._size, min(self._grew * 3 // 2, _LARGEST))

    def _near(self) -> bool:
        return self._standing.next - self.at <= min(max(_SHORT, 2 * self._grew), _LARGEST)

    def _fit(self, records: int, seconds: float) -> None:
        """Longer chunks if judging one is quick, shorter ones if not: many grants, or costly masks, share the pass."""
        if records >= self._size:
            self._size = min(max(int(records * _JUDGE_S / max(seconds, 1e-6)), self._size // 2, _LEAST), _MOST)

    # -- one chunk

    def _under_the_lock(self, messages: Sequence[Message], at: int) -> bool:
        with self._exchange.lock:
            return self._written(messages, at)

    def _basis(self) -> Basis:
        """On what a chunk is judged: the grants of the pass that can be written now. Under the lock."""
        exchange = self._exchange
        rules = exchange.tools.book.rules(exchange.policy.state, resource_of(self._place.topic))
        lanes, _ = exchange.writable(rules, exchange.tools.now_ms())
        compare(self._place, self._standing, lanes, exchange.tools.topics)
        return Basis(
            self.at, rules, [v for v in self._standing.pending(lanes) if v.grant.opened in self._grants], frozenset()
        )

    def _judged(self, messages: Sequence[Message], basis: Basis) -> Judgement:
        """Outside the lock nothing is touched but what is given, and the witness, who hears one judge at a time."""
        tools = self._exchange.tools
        at_ms, watch = tools.now_ms(), GapWatch((), [m.key() or b"" for m in messages], tools.hashed)
        return Judgement(
            tools.witness.judge(self._place, messages, basis.rules, basis.lanes, watch, at_ms, history=True), at_ms
        )

    def _written(
        self, messages: Sequence[Message], at: int, basis: Basis | None = None, made: Judgement | None = None
    ) -> bool:
        """One transaction; whether the pass is over. `made` on `basis` is written only if that is still how things are; what
        else there is to write is judged now. Under the lock."""
        exchange, place, standing = self._exchange, self._place, self._standing
        group = exchange.feed.group()
        if self._lost():
            return True
        state, today = exchange.policy.state, self._basis()
        self._grants &= frozenset(v.grant.opened for v in today.lanes)
        if not today.lanes:
            exchange.commit([], {place: (standing.next, replace(standing.mark, replay=None))}, state.epoch, group)
            return True
        if made is None or basis is None or not basis.same(today) or self._old(made):
            made = self._judged(messages, today)
        work = self._work(messages, at, today, made, state.epoch)
        outputs = [*work.outputs, written([work.evidence])]
        exchange.commit(outputs, {place: (standing.next, work.mark)}, state.epoch, group)
        self.at, over = at, work.mark.replay is None
        exchange.tools.witness.known.passed(place, standing.next if over else at, history=True)
        self._tell(work, over)
        return over

    def _old(self, made: Judgement) -> bool:
        return not 0 <= self._exchange.tools.now_ms() - made.at_ms <= MAX_AGE_MS

    def _work(self, messages: Sequence[Message], at: int, on: Basis, made: Judgement, epoch: int) -> Work:
        """What is to be written, with the mark after it: that of the switch, if this reaches the group's position."""
        standing, result = self._standing, made.result
        broken = frozenset(v.grant.opened for v in result.broken)
        if broken:
            self._grants -= broken
            standing.history_retry_at = time.monotonic() + _BROKEN_S
        if at >= standing.next or not self._grants:
            mark = after_replay(standing.mark, self._grants, on.rules)
        else:
            mark = replace(standing.mark, replay=Replaying(self._grants, at))
        result.gaps |= standing.mark.gaps
        begin = messages[0].offset() if messages else None
        bounds, given = (at if begin is None else begin, at), [v.grant.grant.id for v in on.lanes]
        work = self._exchange.work(
            self._place, bounds, messages, result, on.rules, {}, mark, epoch, made.at_ms, given
        )  # fmt: skip
        return replace(work, mark=replace(work.mark, off=work.mark.off | broken))

    def _tell(self, work: Work, over: bool) -> None:
        place, given = self._place, work.evidence.history or ()
        telemetry.judged_again(resource_of(place.topic), work.judged)
        telemetry.history_given(place, given, self.at - self._began, self._standing.next - self.at)
        if over and self._grants:
            telemetry.replayed(place, len(self._grants), self.at)
