"""The control log `bus.grants` as Kafka holds it: reading it to an epoch, waiting for news, appending a decision.

What `infra.runtime.log` says of logs holds; an entry that this version cannot read stops its reader too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from infra.runtime.desk import Copies, desks_kept
from infra.runtime.log import LogReader
from infra.runtime.settings import Settings
from infra.runtime.turn import Turn
from schemas.ids import POLICY_TOPIC
from schemas.policy_log import Event, decode, encode
from schemas.policy_state import PolicyState

CONTROL_TRANSACTION = "bus.control"
"""transactional.id of whoever changes the log: the newest command fences every earlier one that is still running."""

_COMMAND_WAIT_MS = 5


class PolicyReader(LogReader[PolicyState]):
    """The control log, followed. What `LogReader` says holds; the state's `epoch` is the offset of the last event in it."""

    def __init__(self, settings: Settings, *, begin: PolicyState | None = None, wait_ms: int = 50) -> None:
        known = begin or PolicyState()
        super().__init__(settings, POLICY_TOPIC, known, _fold, at=known.epoch + 1, wait_ms=wait_ms)

    def __enter__(self) -> PolicyReader:
        return self


def _fold(state: PolicyState, offset: int, _at_ms: int, value: bytes | None) -> PolicyState:
    return state.after(offset, decode(value, offset))


class ControlLog:
    """One command's turn at the log: `with ControlLog(settings) as log`, decide from `log.state`, `log.append(events)`.

    Entering fences every command before it and then reads to the end, so a decision is never based on an old state: of
    two concurrent commands the later one wins and the other's `append` raises `Overtaken` and writes nothing.

    desks   whether departments' desks are written along, in the same transaction; by default where the cluster is secured
    """

    def __init__(self, settings: Settings, *, desks: bool | None = None) -> None:
        self._settings = settings
        self._desks = desks_kept(settings) if desks is None else desks

    def __enter__(self) -> ControlLog:
        # made first: it connects while the reader asks for the topic
        self._turn = Turn(self._settings, POLICY_TOPIC, CONTROL_TRANSACTION)
        self._reader = PolicyReader(self._settings, wait_ms=_COMMAND_WAIT_MS)
        try:
            self._turn.take()
            self._reader.read_to_end()
        except BaseException:
            self._reader.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._reader.close()

    @property
    def state(self) -> PolicyState:
        """The state the decision is based on; after `append`, with the decision."""
        return self._reader.state

    def append(self, events: Sequence[Event], schemas: Mapping[str, dict[str, Any]] | None = None) -> list[int]:
        """Write all of `events` or none; their offsets, once every reader can see them.

        schemas   view schemas by grant topic, for desks; what is not among them is asked of the registry
        Raises Overtaken if another command entered since, TransientError if the cluster is out of reach.
        """
        if not events:
            return []
        copies = None
        if self._desks:
            copies = Copies(self._settings, self.state, schemas or {})
            copies.prepare(events)
        return self._write(events, copies)

    def fill_desks(self, departments: Sequence[str]) -> int:
        """Make the desks of departments, and tell them what they lack; how many entries that was. Raises what `append` does."""
        copies = Copies(self._settings, self.state, {})
        copies.prepare([], departments)
        if copies.lacking:
            self._write([], copies)
        return len(copies.lacking)

    def _write(self, events: Sequence[Event], copies: Copies | None) -> list[int]:
        beside = None if copies is None else (lambda offsets: copies.records(events, offsets, self._turn.there))
        offsets = self._turn.write([encode(event) for event in events], beside)
        if offsets:
            self._reader.read_to_end(at_least=max(offsets))
        return offsets


def append(settings: Settings, events: Sequence[Event]) -> list[int]:
    """Write `events` whatever the state is, all or none; their offsets. Decisions that read the state use ControlLog."""
    with ControlLog(settings) as log:
        return log.append(events)
