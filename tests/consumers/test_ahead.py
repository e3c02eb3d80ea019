"""Reading ahead changes when something is read and nothing else: order, positions, errors and the end stay as they are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import pytest

from consumers.ahead import BULK, ReadAhead
from consumers.events import Batch, Place, Step, Tombstone
from consumers.grant_end import GrantEnd
from schemas.errors import PermanentError, TransientError
from schemas.text import Text

REVOKED = GrantEnd("g", 1, "revoked", None, cut_off=True)
DEADLINE_S = 20.0


def bulk(first: int, records: int = BULK) -> Batch:
    """The batch of offsets from `first` on."""
    rows = [Tombstone({}, Place(0, first + n)) for n in range(records)]
    return Batch(rows, {0: Step(first, first + records, 0)})


class Topic:
    """A reader of prepared batches; an error among them is raised in its turn. Once revoked it hands out nothing."""

    def __init__(self, *batches: Batch | Exception) -> None:
        self.batches: Sequence[Batch | Exception] = batches
        self.next = 0
        self.ended: GrantEnd | None = None
        self.over = False
        self.told: dict[int, int] = {0: 0}
        self.went_back: list[dict[int, int]] = []
        self.threads: list[int] = []
        self.read = threading.Semaphore(0)

    @property
    def at_end(self) -> bool:
        return self.next == len(self.batches)

    @property
    def lag(self) -> int:
        return len(self.batches) - self.next

    def poll(self, *, most: int) -> Batch | None:
        try:
            return self._poll(most)
        finally:
            self.read.release()

    def _poll(self, most: int) -> Batch | None:
        self.threads.append(threading.get_ident())
        if self.over:
            self.ended = REVOKED
        if self.ended or self.at_end:
            return None
        found = self.batches[self.next]
        self.next += 1
        if isinstance(found, Exception):
            raise found
        assert len(found.records) <= most
        self.told = {0: found.steps[0].next}
        return found

    def back_to(self, told: Mapping[int, int]) -> None:
        self.went_back.append(dict(told))
        self.told = dict(told)

    def settle(self) -> Batch | None:
        return Batch([], {0: Step(self.told[0], self.told[0] + 1, 0)})

    def wait_read(self, times: int) -> None:
        for _ in range(times):
            assert self.read.acquire(timeout=DEADLINE_S)


@pytest.fixture
def opened() -> Iterator[list[ReadAhead]]:
    made: list[ReadAhead] = []
    yield made
    for ahead in made:
        ahead.close()


def handed_out(ahead: ReadAhead) -> list[Batch]:
    """Everything, read as the runner reads."""
    out = []
    while not ahead.at_end:
        batch = ahead.poll(10_000)
        if batch is not None:
            ahead.read_on(batch, 10_000)
            out.append(batch)
    return out


def test_batches_come_whole_and_in_order_and_only_the_first_is_waited_for(opened: list[ReadAhead]) -> None:
    batches = [bulk(n * BULK) for n in range(20)]
    topic = Topic(*batches)
    opened.append(ReadAhead(topic))
    assert handed_out(opened[0]) == batches
    mine = [thread == threading.get_ident() for thread in topic.threads]
    assert mine == [True] + [False] * 19


def test_the_next_batch_is_read_while_the_one_at_hand_is_written_and_no_further_one(opened: list[ReadAhead]) -> None:
    topic = Topic(*[bulk(n * BULK) for n in range(3)])
    opened.append(ahead := ReadAhead(topic))
    ahead.read_on(cast("Batch", ahead.poll(10_000)), 10_000)
    topic.wait_read(2)
    assert topic.next == 2
    assert (ahead.at_end, ahead.lag) == (False, 2), "as of the batch handed out"


def test_a_reader_that_keeps_up_reads_nothing_ahead(opened: list[ReadAhead]) -> None:
    topic = Topic(*[bulk(n * 10, 10) for n in range(5)])
    opened.append(ReadAhead(topic))
    assert len(handed_out(opened[0])) == 5
    assert set(topic.threads) == {threading.get_ident()}


def test_nothing_is_read_ahead_where_the_pace_leaves_no_room_and_never_more_than_it_leaves(
    opened: list[ReadAhead],
) -> None:
    topic = Topic(bulk(0), bulk(BULK, 7), bulk(BULK + 7))
    opened.append(ahead := ReadAhead(topic))
    first = cast("Batch", ahead.poll(BULK))
    ahead.read_on(first, 0)
    assert topic.next == 1
    ahead.read_on(first, 7)
    second = ahead.poll(BULK)
    assert second is not None
    assert len(second.records) == 7


def test_an_error_of_the_reader_comes_after_the_batches_before_it(opened: list[ReadAhead]) -> None:
    unreadable = PermanentError(Text("unreadable", "无法读取"))
    topic = Topic(bulk(0), unreadable)
    opened.append(ahead := ReadAhead(topic))
    ahead.read_on(cast("Batch", ahead.poll(10_000)), 10_000)
    topic.wait_read(2)
    assert not ahead.at_end
    with pytest.raises(PermanentError) as raised:
        ahead.poll(10_000)
    assert raised.value is unreadable


def test_a_batch_read_ahead_is_not_handed_out_once_the_grant_has_ended(opened: list[ReadAhead]) -> None:
    topic = Topic(bulk(0), bulk(BULK), bulk(2 * BULK))
    opened.append(ahead := ReadAhead(topic))
    ahead.read_on(cast("Batch", ahead.poll(10_000)), 10_000)
    topic.wait_read(2)
    topic.over = True
    assert ahead.ended is None
    assert ahead.poll(10_000) is None
    assert ahead.ended == REVOKED
    assert topic.went_back == [{0: BULK}], "to where the first batch ends"
    assert topic.told == {0: BULK}


def test_the_end_wins_over_an_error_in_what_was_read_ahead(opened: list[ReadAhead]) -> None:
    topic = Topic(bulk(0), TransientError(Text("out of reach", "不可达")))
    opened.append(ahead := ReadAhead(topic))
    ahead.read_on(cast("Batch", ahead.poll(10_000)), 10_000)
    topic.wait_read(2)
    topic.over = True
    assert ahead.poll(10_000) is None
    assert ahead.ended == REVOKED


def test_an_end_found_in_reading_ahead_shows_after_the_batch_before_it(opened: list[ReadAhead]) -> None:
    topic = Topic(bulk(0), bulk(BULK))
    opened.append(ahead := ReadAhead(topic))
    first = cast("Batch", ahead.poll(10_000))
    topic.over = True
    ahead.read_on(first, 10_000)
    topic.wait_read(2)
    assert ahead.ended is None
    assert ahead.poll(10_000) is None
    assert (ahead.ended, topic.went_back) == (REVOKED, [])


def test_stopped_with_a_batch_ahead_no_position_past_the_batch_at_hand_is_told() -> None:
    topic = Topic(bulk(0), bulk(BULK), bulk(2 * BULK))
    with ReadAhead(topic) as ahead:
        ahead.read_on(cast("Batch", ahead.poll(10_000)), 10_000)
        topic.wait_read(2)
        assert ahead.settle() is None


def test_without_a_batch_ahead_passed_transaction_markers_are_told(opened: list[ReadAhead]) -> None:
    topic = Topic(bulk(0))
    opened.append(ahead := ReadAhead(topic))
    ahead.poll(10_000)
    assert ahead.settle() == Batch([], {0: Step(BULK, BULK + 1, 0)})


def test_closing_waits_for_the_read_and_drops_its_error() -> None:
    topic = Topic(bulk(0), TransientError(Text("out of reach", "不可达")), bulk(BULK))
    with ReadAhead(topic) as ahead:
        ahead.read_on(cast("Batch", ahead.poll(10_000)), 10_000)
    assert topic.next == 2
