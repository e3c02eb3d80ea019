"""Grouping records into units."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import PermanentError
from stream_apps.transport.consumer import raise_unless_passing
from stream_apps.transport.gather import Gathering, split
from stream_apps.transport.unit import Place
from tests.stream_apps.transport.fakes import message, messages

A, B = Place("a", 0), Place("a", 1)
PLACES = [A, B, Place("b", 0)]


@given(st.lists(st.sampled_from(PLACES)))
def test_split_keeps_every_record_and_the_order_within_its_partition(order: list[Place]) -> None:
    counts = dict.fromkeys(PLACES, 0)
    mixed = []
    for place in order:
        mixed.append(message(place, counts[place]))
        counts[place] += 1
    found, errors = split(mixed)
    assert not errors
    offsets = {place: [m.offset() for m in part] for place, part in found.items()}
    assert offsets == {place: list(range(n)) for place, n in counts.items() if n}


def test_split_separates_errors_from_records() -> None:
    error = KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART)
    found, errors = split([message(A, 0), message(B, -1, error=error), message(A, 1)])
    assert [m.offset() for m in found[A]] == [0, 1]
    assert B not in found
    assert errors == [error]


def test_an_unknown_topic_is_waited_for_and_a_lost_position_is_not() -> None:
    raise_unless_passing([KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART), KafkaError(KafkaError._ALL_BROKERS_DOWN)])
    with pytest.raises(PermanentError):
        raise_unless_passing([KafkaError(KafkaError._AUTO_OFFSET_RESET)])
    with pytest.raises(PermanentError):
        raise_unless_passing([KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)])


def test_a_gathering_grows_contiguously_over_markers() -> None:
    gathering = Gathering()
    gathering.add(A, messages(A, 0, 3), 0, 4)
    gathering.add(A, messages(A, 5, 7), 4, 8)
    gathering.add(B, [], 2, 5)
    unit = gathering.unit(1)
    assert [(s.place, s.start, s.end, len(s.messages)) for s in unit.slices] == [(A, 0, 8, 5), (B, 2, 5, 0)]
    assert unit.records == 5


@pytest.mark.parametrize(("start", "first", "end"), [(5, 5, 7), (3, 2, 5), (4, 5, 6)])
def test_a_gap_or_an_overlap_is_refused(start: int, first: int, end: int) -> None:
    gathering = Gathering()
    gathering.add(A, messages(A, 0, 4), 0, 4)
    with pytest.raises(PermanentError):
        gathering.add(A, messages(A, first, first + 2), start, end)


def test_removing_a_partition_gives_back_its_start_and_its_counts() -> None:
    gathering = Gathering()
    gathering.add(A, messages(A, 7, 9), 7, 9)
    gathering.add(B, messages(B, 0, 1), 0, 1)
    assert gathering.remove(A) == 7
    assert gathering.remove(A) is None
    assert (gathering.records, gathering.bytes) == (1, 1)
