"""An order to judge dead letters once more, as far as it concerns one partition, and what becomes of its letters."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Message

from schemas.ids import DEAD_LETTER_TOPIC, resource_of
from schemas.policy_log import RetryOrdered
from schemas.policy_state import PolicyState
from schemas.retry_order import Pointer
from stream_apps.exchange.outbox import Output
from stream_apps.exchange.views import Lane
from stream_apps.transport.unit import Place

RETRIED, MOVED_ON, FAILED = "retried", "moved_on", "failed"
NOT_JUDGED, NO_GRANT, REFUSED = "not_judged", "no_grant", "refused"
Results = dict[Pointer, tuple[str, str | None]]
"""A word for each letter, and the reason of one that failed again."""


@dataclass(frozen=True, slots=True)
class Order:
    """An order as far as it concerns one partition."""

    epoch: int
    said: RetryOrdered
    letters: Sequence[Pointer]


def order_for(state: PolicyState, place: Place, done: int) -> Order | None:
    """The oldest order of a partition that is newer than the last one carried out there."""
    for epoch, said in state.retries.get(resource_of(place.topic), ()):
        letters = [one for one in said.letters if one.partition == place.partition]
        if epoch > done and letters:
            return Order(epoch, said, letters)
    return None


def known_before(letter: Pointer, found: Mapping[int, Message], position: int) -> str:
    """What is known of a letter before it is judged; `NO_GRANT` unless somebody then receives it."""
    if letter.offset >= position:
        return NOT_JUDGED
    return NO_GRANT if letter.offset in found else MOVED_ON


def together(lanes: Sequence[Lane], letters: Sequence[Pointer]) -> dict[frozenset[int], list[Lane]]:
    """The grants that are given the same offsets, by those."""
    out: dict[frozenset[int], list[Lane]] = {}
    for lane in lanes:
        mine = frozenset(one.offset for one in letters if one.grant in (None, lane.grant.grant.id))
        if mine:
            out.setdefault(mine, []).append(lane)
    return out


def note(
    results: Results, letters: Sequence[Pointer], names: set[str], faults: Mapping[tuple[int, str | None], str]
) -> None:
    """Note what became of letters that were judged for some grants. One that fails for any of them has failed."""
    for one in letters:
        if one.grant is not None and one.grant not in names:
            continue
        mine = names if one.grant is None else {one.grant}
        whys = [faults[at] for at in ((one.offset, None), *((one.offset, g) for g in sorted(mine))) if at in faults]
        if whys:
            results[one] = FAILED, whys[0]
        elif results[one][0] != FAILED and mine:
            results[one] = RETRIED, None


def outcomes(place: Place, order: Order, results: Results, epoch: int, at_ms: int) -> Output:
    """What became of each letter, beside the letters."""
    entries = []
    for one, (outcome, reason) in results.items():
        body = {
            "topic": place.topic,
            "partition": place.partition,
            "offset": one.offset,
            "grant": one.grant,
            "retry": order.epoch,
            "outcome": outcome,
            "reason": reason,
            "epoch": epoch,
            "at": at_ms,
        }
        key = f"retry:{place.topic}:{place.partition}:{one.offset}"
        entries.append({"key": key.encode(), "value": json.dumps(body).encode()})
    return Output(DEAD_LETTER_TOPIC, 0, entries)
