"""Dead letters judged once more: what an order writes, to whom, once, and never over what is newer."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.runtime.settings import Settings
from schemas.ids import DEAD_LETTER_TOPIC, EVIDENCE_TOPIC
from schemas.policy_log import RetryOrdered
from schemas.retry_order import Pointer
from stream_apps.exchange.marks import Mark, read_mark
from stream_apps.exchange.retry import Retrier
from stream_apps.exchange.retry_orders import Order, order_for
from stream_apps.transport.unit import Place
from tests.kit.approving import Office
from tests.stream_apps.exchange.fakes import Bench, FakeMessage, row


@dataclass
class Read:
    """What was read of a partition: see `Newest`."""

    at: int
    found: dict[int, FakeMessage] = field(default_factory=dict)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def order(bench: Bench, *letters: tuple[int, str | None]) -> int:
    pointers = tuple(Pointer(partition=0, offset=offset, grant=grant) for offset, grant in letters)
    return bench.fold(RetryOrdered(resource="p.r", letters=pointers, at=0, by="t"))


def carried_out(bench: Bench, place: Place, read: Read) -> bool:
    standing = bench.exchange.owned[place]
    found = order_for(bench.policy.state, place, standing.mark.retried)
    assert found is not None
    return retrier(bench)._carry_out(place, standing, found, read)  # type: ignore[arg-type]


def retrier(bench: Bench) -> Retrier:
    return Retrier(bench.exchange, Settings(), lambda error: None)


def due(bench: Bench, place: Place) -> Order | None:
    return order_for(bench.policy.state, place, bench.exchange.owned[place].mark.retried)


def results(bench: Bench) -> dict[tuple[int, str | None], str]:
    entries = [json.loads(e["value"]) for e in bench.sender.done[-1].entries(DEAD_LETTER_TOPIC)]
    return {(e["offset"], e["grant"]): e["outcome"] for e in entries if "outcome" in e}


def judged(bench: Bench) -> list[dict[str, Any]]:
    return [json.loads(e["value"]) for e in bench.sender.done[-1].entries(EVIDENCE_TOPIC)]


def test_a_letter_of_one_grant_is_given_to_it_alone_and_one_of_all_to_all(bench: Bench) -> None:
    first, second = bench.open("s.a"), bench.open("s.b")
    place = bench.own()
    bench.handle(place, [FakeMessage(0, b"k0", b"junk"), FakeMessage(1, b"k1", b"junk")], 0)
    order(bench, (0, None), (1, "s.b"))
    read = Read(2, {i: bench.event(i, "c", None, row(i)) for i in (0, 1)})
    before = len(bench.sender.done)
    assert carried_out(bench, place, read)
    (done,) = bench.sender.done[before:]
    keys = {topic: [e["key"] for e in done.entries(topic)] for topic in (first, second)}
    assert keys == {first: [b"k0"], second: [b"k0", b"k1"]}
    assert results(bench) == {(0, None): "retried", (1, "s.b"): "retried"}
    assert [(e["begin"], e["end"], e["history"]) for e in judged(bench)] == [
        (0, 1, ["s.a", "s.b"]),
        (1, 2, ["s.b"]),
    ]


def test_an_order_is_carried_out_once_and_the_position_stays(bench: Bench) -> None:
    bench.open()
    place = bench.own()
    bench.handle(place, [FakeMessage(0, b"k0", b"junk")], 0)
    epoch = order(bench, (0, None))
    assert carried_out(bench, place, Read(1, {0: bench.event(0, "c", None, row(0))}))
    at, mark = bench.sender.done[-1].offsets[place]
    assert (at, mark.retried) == (1, epoch)
    assert due(bench, place) is None


def test_what_is_followed_not_yet_judged_faulty_still_or_nobodys_is_told_apart(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    bench.handle(place, [FakeMessage(i, f"k{i}".encode(), b"junk") for i in range(3)], 0)
    order(bench, (0, None), (1, None), (2, "s.gone"), (9, None))
    still = FakeMessage(1, b"k1", b"junk")
    assert carried_out(bench, place, Read(3, {1: still, 2: bench.event(2, "c", None, row(2))}))
    assert results(bench) == {
        (0, None): "moved_on",
        (1, None): "failed",
        (2, "s.gone"): "no_grant",
        (9, None): "not_judged",
    }
    assert b"k2" not in [e["key"] for e in bench.sender.done[-1].entries(topic)]


def test_nothing_is_written_while_live_records_are_beyond_what_was_read(bench: Bench) -> None:
    bench.open()
    place = bench.own()
    bench.handle(place, [FakeMessage(0, b"k0", b"junk"), bench.event(1, "c", None, row(0))], 0)
    order(bench, (0, None))
    before = len(bench.sender.done)
    assert not carried_out(bench, place, Read(1, {0: bench.event(0, "c", None, row(0))}))
    assert len(bench.sender.done) == before
    assert due(bench, place) is not None


def test_an_order_nobody_who_may_has_signed_is_refused_where_signers_are_known(bench: Bench, tmp_path: Path) -> None:
    office = Office(tmp_path / "signers")
    office.admit("somebody", "p")
    topic = bench.open()
    place = bench.own()
    bench.handle(place, [FakeMessage(0, b"k0", b"junk")], 0)
    bench.exchange.trust(office.signers())
    order(bench, (0, None))
    assert carried_out(bench, place, Read(1, {0: bench.event(0, "c", None, row(0))}))
    assert results(bench) == {(0, None): "refused"}
    assert not bench.sender.done[-1].entries(topic)


def test_a_partition_that_begins_anew_carries_out_no_order_of_before(bench: Bench) -> None:
    bench.open()
    order(bench, (0, None))
    assert due(bench, bench.own()) is None


def test_the_mark_keeps_the_last_order() -> None:
    assert read_mark(Mark(3, "t", 3, retried=7).text()).retried == 7
    assert "retried" not in Mark(3, "t", 3).text()
