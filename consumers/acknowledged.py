"""What a program has acknowledged of a grant: one position, moved forward only, and kept in its ledger."""

from __future__ import annotations

import threading
from dataclasses import replace

from consumers.ledger import Ledger
from consumers.position import Position
from consumers.received import Event, GenerationStarted
from schemas.errors import ConfigError
from schemas.text import Text


class Acknowledged:
    """`ledger` None: the program keeps its positions itself, and nothing may be acknowledged here. Any thread."""

    def __init__(self, ledger: Ledger | None) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._acknowledged = ledger.position if ledger else None
        self._handed: Position | None = None

    def handed_out(self, position: Position) -> None:
        """Everything before `position` has been handed out."""
        self._handed = position

    def passed(self, position: Position) -> None:
        """Nothing is left before `position`: who has acknowledged everything so far has acknowledged this, too."""
        with self._lock:
            if self._acknowledged is not None and self._acknowledged == self._handed != position:
                self._hold(position)
        self._handed = position

    def one(self, received: Event | GenerationStarted) -> None:
        """This one, and everything before it in its partition."""
        with self._lock:
            self._check()
            position, now = received.position, self._acknowledged
            if now is not None and now.copy > position.copy:
                return  # the copy it belonged to has been replaced
            if now is None or now.copy < position.copy:
                now = replace(position, offsets=(0,) * len(position.offsets))
            if isinstance(received, Event):
                partition = received.place.partition
                now = now.past(partition, position.offsets[partition])
            self._hold(now)

    def everything(self) -> None:
        """All that was handed out so far."""
        with self._lock:
            self._check()
            if self._handed is not None:
                self._hold(self._handed)

    def _check(self) -> None:
        if self._ledger is None:
            raise ConfigError(
                Text(
                    "this subscriber was given a position to start from, so that the program keeps its positions itself.",
                    "该订阅以给定位点启动, 位点由程序自行保存。",
                ),
                where="acknowledge",
                hint=Text(
                    "Store str(event.position) with your rows, or leave 'start' out to use a ledger.",
                    "请将 str(event.position) 与数据一并保存, 或不传 start 以使用台账。",
                ),
            )

    def _hold(self, position: Position) -> None:
        if position != self._acknowledged:
            if self._ledger is not None:
                self._ledger.hold(position)
            self._acknowledged = position
