"""Finds the record that kills the process which judges it, and keeps it away from native code. See README, "Poison".

A death while a slice was judged makes its range suspect: its records are then judged one by one. A death at a record judged
alone accuses that record: a process made for it tries it out. What kills that one as well, or the worker alone a second
time, is proven: it becomes a dead letter unseen.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

from infra.runtime.settings import Settings
from schemas.ids import resource_of
from stream_apps.exchange import telemetry
from stream_apps.exchange.gaps import GapWatch
from stream_apps.exchange.inflight import NOBODY, InFlight
from stream_apps.exchange.judge import Apart, Judged, judge
from stream_apps.exchange.suspects import PROVEN, Case, Suspects
from stream_apps.exchange.trial import Record, dies, in_force
from stream_apps.exchange.views import Lane, Rules
from stream_apps.transport.unit import Place, Slice

ALONE = 100
"""Suspect records judged one by one in one transaction: a tenth of a second for each different view."""


class Witness:
    """Judges, and knows afterwards what it died of. Live units, what is judged ahead of them, and history take turns: there is
    one page, and it names what is being judged. All else is for whoever holds the exchange's lock."""

    def __init__(
        self,
        flight: InFlight | None = None,
        known: Suspects | None = None,
        dies: Callable[[Record], bool] = lambda record: False,
    ) -> None:
        """`dies` tries a record out. Without files nothing is learnt, since nothing outlives the process."""
        self._flight = InFlight() if flight is None else flight
        self.known = Suspects() if known is None else known
        self._dies = dies
        self._turn = threading.Lock()
        left = self._flight.found()
        self._flight.end()  # first: a death between these lines must not count twice
        if left is not None:
            self.known.add(left)
            telemetry.died_judging(left)

    def judge(
        self,
        place: Place,
        messages: Sequence[Any],
        rules: Rules,
        lanes: Sequence[Lane],
        watch: GapWatch,
        at_ms: int,
        *,
        history: bool = False,
    ) -> Judged:
        """`judge.judge`, on record, when it is this one's turn. A panic of native code, which is no `Exception`, leaves its trace
        as a death does. Errors do not: they are ours, or another service's, and no proof against a record."""
        if not messages:
            return judge(messages, rules, lanes, watch, at_ms, history=history)
        with self._turn:
            return self._judge(place, messages, rules, lanes, watch, at_ms, history)

    def _judge(
        self,
        place: Place,
        messages: Sequence[Any],
        rules: Rules,
        lanes: Sequence[Lane],
        watch: GapWatch,
        at_ms: int,
        history: bool,
    ) -> Judged:
        start, end = messages[0].offset(), messages[-1].offset() + 1
        case, apart = self.known.of(place, history), None
        if case is not None and case.touches(start, end):
            state, gaps = in_force(rules, lanes), frozenset(watch.before)
            for message in [m for m in messages if case.accused(m.offset())]:
                key, value = message.key() or b"", message.value()
                record = Record(key, value, state, resource_of(place.topic), gaps, at_ms, history)
                self._try(place, message.offset(), record)
            apart = self._apart(case, messages)
        self._flight.begin(place, start, end, start if len(messages) == 1 else NOBODY, history)
        try:
            result = judge(messages, rules, lanes, watch, at_ms, history=history, apart=apart)
        except Exception:
            self._flight.end()
            raise
        self._flight.end()
        return result

    def first(self, part: Slice) -> Slice:
        """The part of a slice to be judged in one transaction: all of it, or what lies before the suspect records, or some of
        them."""
        messages, end = self.pieces(part.place, part.messages, part.end)[0]
        return part if len(messages) == len(part.messages) else Slice(part.place, messages, part.start, end)

    def pieces(
        self, place: Place, messages: Sequence[Any], end: int, *, history: bool = False
    ) -> list[tuple[Sequence[Any], int]]:
        """Records cut so that suspect ones are by themselves and not too many; each piece with where it ends."""
        case = self.known.of(place, history)
        if case is None:
            return [(messages, end)]
        offsets = [m.offset() for m in messages]
        cuts: set[int] = set()
        for lo, hi in case.ranges:
            first, last = bisect_left(offsets, lo), bisect_left(offsets, hi)
            cuts |= {*range(first, last, ALONE), last}
        edges = [0, *sorted(cuts - {0, len(messages)}), len(messages)]
        return [(messages[a:b], offsets[b] if b < len(messages) else end) for a, b in pairwise(edges)]

    def close(self) -> None:
        """The process ends in order. What is on record stays, if it is of any use."""
        if self.known or self._flight.found():
            self._flight.close()
        else:
            self._flight.forget()

    def _try(self, place: Place, offset: int, record: Record) -> None:
        """Try an accused record out, once. Nothing is in flight meanwhile: a trial takes so long that it may be what an
        unrelated kill hits."""
        self.known.tried(place, record.history, offset)
        deadly = self._dies(record)
        telemetry.tried(place, offset, deadly)
        if deadly:
            self.known.convict(place, record.history, offset)

    def _apart(self, case: Case, messages: Sequence[Any]) -> Apart:
        offsets = [m.offset() for m in messages]
        deaths = [case.deaths.get(offset, 0) for offset in offsets]
        return Apart(
            lambda record: self._flight.name(offsets[record]),
            frozenset(i for i, n in enumerate(deaths) if n >= PROVEN),
            frozenset(i for i, n in enumerate(deaths) if n > PROVEN),
        )


def witness(settings: Settings, instance: str) -> Witness:
    """The witness of a named worker, whose records lie in the state folder. If they cannot, or another worker of that name
    still lives, this one goes without until it is started again."""
    folder = settings.home / "exchange"
    try:
        known = Suspects(folder / f"{instance}.suspects", telemetry.not_on_record)
        return Witness(InFlight(folder / f"{instance}.judging"), known, partial(dies, settings))
    except OSError as error:
        telemetry.not_on_record(error)
        return Witness()
