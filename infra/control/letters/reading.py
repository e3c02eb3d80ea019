"""The topic of dead letters, read and brought together: one fact for each record and grant, with what became of it since."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.control.explaining.records import Records
from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings
from schemas.ids import DEAD_LETTER_TOPIC, resource_of
from schemas.policy_state import PolicyState

OPEN, ORDERED = "open", "ordered"
DONE = ("retried", "moved_on")
"""What needs nothing more."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that could not be processed, for one grant or (None) for all.

    times       how often it became a dead letter; `reason` and `at` (milliseconds since 1970 UTC) are of the last time
    state       open; ordered (a retry is, and was not carried out yet); or what the last retry came to: retried, moved_on,
                failed (then it is open as well), not_judged, no_grant, refused
    retried_at  when that was
    order       epoch of the last order
    """

    resource: str
    partition: int
    offset: int
    grant: str | None
    reason: str
    at: int
    times: int = 1
    state: str = OPEN
    retried_at: int | None = None
    order: int | None = None

    @property
    def waits(self) -> bool:
        """Whether it can still be retried."""
        return self.state not in DONE and self.state != ORDERED


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which letters are meant; None: any. `since` in milliseconds since 1970 UTC, of the last time it became one."""

    resource: str | None = None
    grant: str | None = None
    reason: str | None = None
    since: int | None = None

    def has(self, letter: DeadLetter) -> bool:
        """Whether a letter is meant. One that concerns all grants concerns each of them."""
        return (
            self.resource in (None, letter.resource)
            and (self.grant is None or letter.grant in (None, self.grant))
            and self.reason in (None, letter.reason)
            and (self.since is None or letter.at >= self.since)
        )


_Id = tuple[str, int, int, str | None]


def letters(settings: Settings, chosen: Chosen, *, state: PolicyState | None = None) -> list[DeadLetter]:
    """Those chosen, by resource, partition and offset. ConfigError where access is refused or there is no such topic yet,
    TransientError if the cluster is out of reach.

    state   of the control log, where it is known already
    """
    known = state if state is not None else _state(settings)
    with Records(settings) as records:
        begin = 0 if chosen.since is None else records.since(DEAD_LETTER_TOPIC, 0, chosen.since)
        end = records.bounds(DEAD_LETTER_TOPIC, 0)[1]
        values = (m.value() for m in records.read(DEAD_LETTER_TOPIC, 0, begin, end))
        found = together(value for value in values if value is not None)
    return [_ordered(letter, known) for letter in found if chosen.has(letter)]


def together(values: Iterable[bytes]) -> list[DeadLetter]:
    """One fact for each record and grant, from everything that was written, oldest first."""
    found: dict[_Id, DeadLetter] = {}
    for value in values:
        said: dict[str, Any] = json.loads(value)
        of: _Id = resource_of(said["topic"]), int(said["partition"]), int(said["offset"]), said.get("grant")
        before = found.get(of)
        if "outcome" in said:
            if before is not None:
                found[of] = replace(
                    before, state=str(said["outcome"]), retried_at=int(said["at"]), order=int(said["retry"])
                )
        elif before is None:
            found[of] = DeadLetter(*of, str(said["reason"]), int(said["at"]))
        else:
            found[of] = replace(
                before, reason=str(said["reason"]), at=int(said["at"]), times=before.times + 1, state=OPEN
            )
    return sorted(found.values(), key=lambda one: (one.resource, one.partition, one.offset, one.grant or ""))


def _ordered(letter: DeadLetter, state: PolicyState) -> DeadLetter:
    """With an order for it that is newer than the last result."""
    epochs = [
        epoch
        for epoch, said in state.retries.get(letter.resource, ())
        if any(
            (one.partition, one.offset, one.grant) == (letter.partition, letter.offset, letter.grant)
            for one in said.letters
        )
    ]
    newest = max(epochs, default=-1)
    return (
        letter
        if newest <= (-1 if letter.order is None else letter.order)
        else replace(letter, state=ORDERED, order=newest)
    )


@dataclass(frozen=True, slots=True)
class Count:
    """How many letters of a resource have a reason, for a grant (None: for all), and how many of them still wait."""

    resource: str
    reason: str
    grant: str | None
    letters: int
    waiting: int
    newest: int


def counts(found: Sequence[DeadLetter]) -> list[Count]:
    """By resource, reason and grant."""
    groups: dict[tuple[str, str, str | None], list[DeadLetter]] = {}
    for one in found:
        groups.setdefault((one.resource, one.reason, one.grant), []).append(one)
    return [
        Count(*of, len(some), sum(one.waits for one in some), max(one.at for one in some))
        for of, some in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1], item[0][2] or ""))
    ]


def _state(settings: Settings) -> PolicyState:
    with PolicyReader(settings) as reader:
        return reader.read_to_end()
