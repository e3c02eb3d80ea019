"""What a grant has for one program, in order: its generations, its events, its end. Everything transient is retried here."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Literal

from consumers import gaps
from consumers.absence import AwayTooLong
from consumers.chunk import Chunk, Chunks
from consumers.control import GrantWatch
from consumers.grant_end import GrantEnd
from consumers.grant_reader import GrantReader
from consumers.kafka_errors import OutOfRange
from consumers.position import Position
from consumers.received import Acknowledge, Began, GenerationStarted
from consumers.sign_in import refusal
from infra.runtime.settings import Settings
from schemas.errors import BusError, PermanentError, TransientError
from schemas.policy_state import GrantInForce

Until = Literal["ended", "caught_up"]
OnTrouble = Callable[[TransientError, float], None]
"""Told what is out of reach, and in how many seconds it is tried again. What it raises ends the loop."""

MOST = 1_000
"""Records read ahead."""
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 10.0
_POLL_S = 0.2
_LOOK_EVERY_S = 0.1

_log = logging.getLogger("consumers.subscriber")


class Feed:
    """One grant, read on from `held` (None: from the beginning, because of `why`). `chunks` may be run once, in any thread;
    close it when done.

    Raises ConfigError for an unknown grant or refused credentials, PermanentError where reading on would leave a gap.
    """

    def __init__(
        self,
        settings: Settings,
        grant: str,
        held: Position | None,
        why: Began,
        *,
        until: Until,
        stop: threading.Event,
        on_trouble: OnTrouble | None,
        acknowledge: Acknowledge,
    ) -> None:
        self._settings, self._grant, self._at, self._why = settings, grant, held, why
        self._until, self._stop, self._on_trouble, self._acknowledge = until, stop, on_trouble, acknowledge
        self._watch = GrantWatch(settings)
        self._withdrawn: int | None = None
        self._looked_at = float("-inf")
        self._attempt = 0
        self._over = False

    def chunks(self) -> Iterator[Chunk]:
        """What there is, until the grant has ended, or all is read (`until` "caught_up"), or `stop` is set."""
        self._check_credentials()  # at once: whoever is refused would else wait until a question has timed out
        while not self._over and not self._stop.is_set():
            try:
                yield from self._session()
            except TransientError as error:
                self._wait(error)

    def withdrawn(self, generation: int) -> bool:
        """Whether a generation is known to have ended, for good or until it is resumed: what was read ahead of it may not be
        handed out any more. Any thread; asks nobody."""
        return self._withdrawn == generation

    def look(self, generation: int) -> bool:
        """The same, with the news of the last tenth of a second. May ask the cluster: not for an event loop."""
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            with suppress(BusError):  # who reads meets the same, and tells
                life = self._watch.state().generation(self._grant, generation)
                if life is not None and life.ended is not None and life.end_reason != "superseded":
                    self._withdrawn = generation
        return self.withdrawn(generation)

    def look_again(self) -> None:
        """`look` for the generation being read."""
        if self._at is not None:
            self.look(self._at.generation)

    def close(self) -> None:
        """Give back the connections, once nobody reads or asks any more."""
        self._watch.close()

    def _session(self) -> Iterator[Chunk]:
        """One reader's life: to the end of its generation, or to an error."""
        grant = self._watch.grant(self._grant)
        try:
            reader = GrantReader(self._settings, self._grant, watch=self._watch)
        except PermanentError:
            self._watch.state(fresh=True)  # it may have ended since it was asked for
            life = self._watch.life(grant)
            if life.ended is None:
                raise
            if self._watch.successor(life) is None:  # else it was amended in this very moment
                self._over = True
                yield [self._barred(life)]
            return
        with reader:
            try:
                yield from self._generation(reader)
            except AwayTooLong as error:
                _log.warning("grant %s: %s", self._grant, error)
                self._at, self._why = None, "rebuilt"
            except OutOfRange as error:
                raise gaps.no_longer(error) from error

    def _generation(self, reader: GrantReader) -> Iterator[Chunk]:
        started = self._begin(reader)
        assert self._at is not None
        reader.start(dict(enumerate(self._at.offsets)), self._at.since_ms)
        if started is not None:
            yield [started]
        made = Chunks(self._at, self._acknowledge)
        while reader.ended is None and not self._stop.is_set():
            batch = reader.poll(_POLL_S, MOST)
            self._attempt = 0
            self.look(reader.grant.generation)
            caught_up = batch is None and reader.ended is None and self._caught_up(reader)
            if caught_up:
                batch = reader.settle()
            if batch is not None:
                chunk, self._at = made.of(batch), made.position
                yield chunk
            if caught_up:
                self._over = True
                return
        if reader.ended is not None and reader.ended.reason != "superseded":
            self._withdrawn = reader.grant.generation
        if reader.ended is not None and reader.ended.next_generation is None:
            self._over = True
            yield [reader.ended]

    def _caught_up(self, reader: GrantReader) -> bool:
        """Whether the loop is to end because everything was read; if the grant has ended as well, its fence is waited for."""
        return self._until == "caught_up" and reader.at_end and not self.look(reader.grant.generation)

    def _begin(self, reader: GrantReader) -> GenerationStarted | None:
        """Settle where reading begins; what to tell the program if that is where a generation does."""
        origin, at = reader.view.origin, self._at
        if at is not None and at.generation > origin.generation:
            raise gaps.overtaken(origin, at)
        if at is not None and at.generation == origin.generation:
            if at.topic_id != origin.topic_id:
                raise gaps.made_anew(origin)
            return None
        reason = self._why if at is None else _succession(at.generation, reader.grant)
        self._at = Position.beginning(self._grant, origin, time.time_ns() // 1_000_000)
        fields = {c.field: c.title for c in reader.view.columns}
        return GenerationStarted(self._grant, origin.generation, reason, fields, self._at, self._acknowledge)

    def _barred(self, life: GrantInForce) -> GrantEnd:
        """The end of a grant whose topic we may not see any more. Whether all was read shows in the position held."""
        at, fence = self._at, life.fence
        whole = at is not None and fence is not None and at.generation == life.generation
        if at is not None and fence is not None and whole:
            whole = all(offset >= fence.get(p, 0) for p, offset in enumerate(at.offsets))
        reason = life.end_reason or "ended"
        return GrantEnd(
            self._grant, life.generation, reason, life.ended_at, cut_off=not whole, destroy_by=life.destroy_by
        )

    def _check_credentials(self) -> None:
        refused = refusal(self._settings)
        if refused is not None:
            raise refused

    def _wait(self, error: TransientError) -> None:
        """Tell of it, and wait: doubling, with jitter. Raises ConfigError if it is the credentials that are refused."""
        self._check_credentials()
        longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** min(self._attempt, 10))
        wait_s = random.uniform(longest / 2, longest)
        self._attempt += 1
        _log.warning("grant %s: %s Tried again in %.1f s.", self._grant, error, wait_s)
        if self._on_trouble is not None:
            self._on_trouble(error, wait_s)
        self._stop.wait(wait_s)


def _succession(held: int, grant: GrantInForce) -> Began:
    """Why another generation than the one held goes on: resumed is what nothing was changed in, on the way."""
    resumption = grant.resumption
    same = resumption is not None and resumption.generation == held == grant.generation - 1
    return "resumed" if same else "amended"
