"""What both forms of a subscriber share: where it begins, what it may hand out, what is acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from consumers import gaps
from consumers.acknowledged import Acknowledged
from consumers.chunk import Chunk, Passed
from consumers.feed import Feed, OnTrouble, Until
from consumers.grant_end import GrantEnd
from consumers.ledger import Ledger
from consumers.position import Position
from consumers.received import Event, GenerationStarted, GrantEnded, Received
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.ids import check_id
from schemas.text import Text

BEGINNING = "beginning"
_FOLDER = "subscriptions"


class Subscription:
    """Base of `Subscriber` and `AsyncSubscriber`; `Subscriber` explains the arguments."""

    def __init__(
        self,
        grant: str,
        *,
        settings: Settings | None = None,
        credentials: Path | str | None = None,
        start: Position | str | None = None,
        ledger: Path | str | None = None,
        until: Until = "ended",
        on_trouble: OnTrouble | None = None,
    ) -> None:
        given = settings or Settings()
        if credentials is not None:
            given = given.model_copy(update={"credentials": Path(credentials)})
        self.grant = _id(grant)
        self._settings = given.located()
        self._anew = start == BEGINNING
        self._own = start is not None and not self._anew
        """Whether the program keeps its positions itself."""
        self._start = _position(self.grant, start) if self._own else None
        if self._own and ledger is not None:
            raise _two_places(str(ledger))
        self._path = Path(ledger) if ledger is not None else given.home / _FOLDER / f"{self.grant}.ledger"
        self._until, self._on_trouble = until, on_trouble
        self._stop = threading.Event()
        self._ledger: Ledger | None = None
        self._acknowledged = Acknowledged(None)
        self._opened = self._dropped = False

    def acknowledge(self, received: Event | GenerationStarted) -> None:
        """What `received.acknowledge()` does: it, and everything before it in its partition, is done with."""
        if received.position.grant != self.grant:
            raise gaps.other_grant(self.grant, received.position)
        self._acknowledged.one(received)

    def acknowledge_all(self) -> None:
        """Everything handed out so far is done with."""
        self._acknowledged.everything()

    def stop(self) -> None:
        """Let the loop end after the event at hand. From any thread, or a signal handler."""
        self._stop.set()

    def _open(self) -> Feed:
        """Take the ledger, and go on where it stopped. ConfigError if another program holds it."""
        if self._opened:
            raise RuntimeError("a subscriber is used once")
        self._opened = True
        held = self._start
        if not self._own:
            self._ledger = Ledger(self._path, self.grant)
            if self._anew:
                self._ledger.hold(None)
            self._acknowledged = Acknowledged(self._ledger)
            held = self._ledger.position
        return Feed(
            self._settings,
            self.grant,
            held,
            "rebuilt" if self._anew else "first",
            until=self._until,
            stop=self._stop,
            on_trouble=self._on_trouble,
            acknowledge=self.acknowledge,
        )

    def _hand_out(self, chunk: Chunk, withdrawn: Callable[[int], bool]) -> Iterator[Received]:
        """The chunk's items for the program, one by one; what is left when its generation is `withdrawn` is dropped."""
        for item in chunk:
            if self._stop.is_set():
                return
            if isinstance(item, GrantEnd):
                yield self._end(item)
                continue
            if isinstance(item, GenerationStarted):
                self._dropped = False
            if isinstance(item, Passed):
                if not self._dropped:
                    self._acknowledged.passed(item.position)
            elif self._dropped or withdrawn(item.generation):
                self._dropped = self._dropped or isinstance(item, Event)
            else:
                self._acknowledged.handed_out(item.position)
                yield item

    def _end(self, end: GrantEnd) -> GrantEnded:
        end = replace(end, cut_off=end.cut_off or self._dropped)
        return GrantEnded(end.grant, end.generation, end.reason, end.at, end.cut_off, end.destroy_by, end.message)

    def _release(self) -> None:
        if self._ledger is not None:
            self._ledger.close()


def _id(grant: str) -> str:
    try:
        return check_id(grant)
    except ValueError as error:
        en, _, zh = str(error).partition(" / ")
        raise ConfigError(Text(f"'{grant}': {en}.", f"'{grant}': {zh}。"), where="grant") from error


def _position(grant: str, start: Position | str | None) -> Position | None:
    """The position that is given; '' and None are none yet."""
    position = start if isinstance(start, Position) else Position.parse(start) if start else None
    if position is not None and position.grant != grant:
        raise gaps.other_grant(grant, position)
    return position


def _two_places(ledger: str) -> ConfigError:
    return ConfigError(
        Text("a position to start from and a ledger are both given.", "同时指定了起始位点与台账。"),
        where=ledger,
        hint=Text(
            "Give 'start' if the program keeps its positions, 'ledger' if they are to be kept for it.",
            "位点由程序自行保存时传 start; 由订阅库保存时传 ledger。",
        ),
    )
