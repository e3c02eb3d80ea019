"""Keeps the marks of partitions young in which nothing happens (see `outage`): their end shows that nothing is unread."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from schemas.errors import TransientError
from stream_apps.exchange import telemetry
from stream_apps.exchange.outbox import Aborted
from stream_apps.exchange.worker import Exchange
from stream_apps.transport.unit import Place

_REFRESHES, _LONGEST_S = 8, 3_600.0


class Idle:
    """An eighth of the outage after a mark was young last it says so again, if nothing was written. One thread calls `turn`."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._every_s = min(exchange.tools.outage_s / _REFRESHES / 2, _LONGEST_S)
        self._at = time.monotonic() + self._every_s

    def turn(self) -> None:
        """Look, if it is time."""
        if time.monotonic() < self._at:
            return
        self._at = time.monotonic() + self._every_s
        exchange, now = self._exchange, self._exchange.tools.now_ms() // 1000
        limit = exchange.tools.outage_s / _REFRESHES
        with exchange.lock:
            aging = [p for p, s in exchange.owned.items() if s.announced and now - s.mark.since > limit]
        try:
            ends = exchange.tools.ends(aging) if aging else {}
        except TransientError:
            return  # the next turn asks again, long before it matters
        with exchange.lock:
            marks = {p: replace(exchange.owned[p].mark, since=now) for p in aging if self._read_to(p, ends)}
            group = exchange.feed.group()
            if not marks or group is None:
                return
            offsets = {p: (exchange.owned[p].next, mark) for p, mark in marks.items()}
            try:
                exchange.commit([], offsets, exchange.policy.state.epoch, group)
            except Aborted as abort:
                telemetry.aborted(abort.reason)

    def _read_to(self, place: Place, ends: Any) -> bool:
        standing = self._exchange.owned.get(place)
        return standing is not None and place in ends and ends[place] <= standing.next
