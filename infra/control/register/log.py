"""The log `bus.register` as Kafka holds it: the projection brought up to it, and changes appended to it, all or none.

A command's changes are one Kafka transaction (20,896 entries: 2 s of CPU with the projection): readers see all of them or none, and of two
commands at once the later fences the earlier, exactly as with the control log. Comparing and appending without one would
let two imports interleave, and a broken connection leave half a catalogue behind.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from types import TracebackType
from typing import TypeVar

from confluent_kafka import KafkaException, TopicCollection

from infra.control.register.judge import Connected
from infra.control.register.projection import Projection
from infra.control.register.state import RegisterState
from infra.runtime.kafka import admin
from infra.runtime.log import READ_TIMEOUT_S, LogReader, ensure_log, unreachable
from infra.runtime.settings import Settings
from infra.runtime.turn import Turn
from schemas.errors import PermanentError
from schemas.ids import POLICY_TOPIC, REGISTER_TOPIC
from schemas.register_log import RegisterEvent, decode, encode

_TRANSACTION = "bus.register"
_TRANSACTION_MS = 60_000
"""A whole city's catalogue on a slow disk; a command that dies holds readers back no longer than that."""
_TELL_EVERY = 500
T = TypeVar("T")
Came = list[tuple[int, T]]
Contracted = tuple[str, Connected]
Put = Callable[[str, str, Came[T], int, int], bool]
"""Topic, its identity, what came, the offsets before and after it: see `Projection.put_register`."""
Read = Callable[[bytes | None, int], list[T]]
"""What an entry (value, offset) says that the projection keeps."""
Told = Callable[[int], None]
"""Called with how many more entries the broker has taken."""


def opened(settings: Settings) -> Projection:
    """The projection, brought up to the end of both logs; close it when done. `settings` must be located.

    Raises TransientError if the cluster is out of reach, PermanentError if a log is not whole.
    """
    projection = Projection(settings.home / "register.db")
    try:
        for topic in (REGISTER_TOPIC, POLICY_TOPIC):
            ensure_log(settings, topic)
        identities = _identities(settings, (REGISTER_TOPIC, POLICY_TOPIC))
        follow_register(settings, projection, identities[REGISTER_TOPIC])
        _follow(settings, projection, POLICY_TOPIC, identities[POLICY_TOPIC], _contract, projection.put_contracts)
    except BaseException:
        projection.close()
        raise
    return projection


def read_register(settings: Settings) -> RegisterState:
    """Directory and catalogue as they stand now. What `opened` says of errors holds."""
    with opened(settings) as projection:
        return projection.state()


def follow_register(settings: Settings, projection: Projection, identity: str) -> None:
    """Bring the projection up to the end of the register whose topic is `identity`."""
    _follow(settings, projection, REGISTER_TOPIC, identity, _event, projection.put_register)


class RegisterLog:
    """One command's turn: `with RegisterLog(settings) as log`, decide from `log.projection`, then `log.append(events)`.

    Entering fences every command before it and then reads to the end: see `ControlLog`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> RegisterLog:
        ensure_log(self._settings, REGISTER_TOPIC)
        self._turn = Turn(self._settings, REGISTER_TOPIC, _TRANSACTION, timeout_ms=_TRANSACTION_MS)
        self._turn.take()
        self.projection = opened(self._settings)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.projection.close()

    def append(self, events: Sequence[RegisterEvent], told: Told = lambda more: None) -> None:
        """Write all of `events` or none; afterwards the projection has them.

        Raises Overtaken if another command entered since, TransientError if the cluster is out of reach.
        """
        if not events:
            return

        def taken(landed: int) -> None:
            if landed % _TELL_EVERY == 0 or landed == len(events):
                told(landed % _TELL_EVERY or _TELL_EVERY)

        self._turn.write([encode(event) for event in events], told=taken)
        follow_register(self._settings, self.projection, self.projection.place(REGISTER_TOPIC)[0])


def _follow(
    settings: Settings,
    projection: Projection,
    topic: str,
    identity: str,
    read: Read[T],
    put: Put[T],
) -> None:
    """Read what the projection lacks and put it there. A projection of another log, or one that has seen more than there is,
    is discarded first."""
    while True:
        known, at = projection.place(topic)
        begin = at if known == identity else 0
        try:
            came, end = _read_from(settings, topic, begin, read)
        except PermanentError:
            if begin == 0:
                raise
            projection.discard(topic)
            continue
        if put(topic, identity, came, begin, end):
            return


def _read_from(settings: Settings, topic: str, at: int, read: Read[T]) -> tuple[Came[T], int]:
    came: Came[T] = []

    def fold(state: Came[T], offset: int, _at_ms: int, value: bytes | None) -> Came[T]:
        state.extend((offset, found) for found in read(value, offset))
        return state

    with closing(LogReader(settings, topic, came, fold, at=at, wait_ms=5)) as reader:
        reader.read_to_end()
        return came, reader.next_offset


def _event(value: bytes | None, offset: int) -> list[RegisterEvent]:
    return [decode(value, offset)]


def _contract(value: bytes | None, _offset: int) -> list[Contracted]:
    """Only what a search shows: what this cannot read is for the exchange to stop at, not for a catalogue."""
    try:
        event = json.loads(value or b"{}")
    except ValueError:
        return []
    if not isinstance(event, dict) or event.get("kind") != "contract.published":
        return []
    resource = event["contract"]["resource"]
    return [(event["resource"], Connected(resource["provider"], resource["sharing"]))]


def _identities(settings: Settings, topics: Sequence[str]) -> dict[str, str]:
    """The broker's own id of each topic: one deleted and made again is another log."""
    client = admin(settings)  # held until the answers are there
    try:
        asked = client.describe_topics(TopicCollection(list(topics)), request_timeout=READ_TIMEOUT_S)
        return {name: str(answer.result().topic_id) for name, answer in asked.items()}
    except KafkaException as error:
        raise unreachable(settings, error) from error
