"""A batch read from Kafka goes into files by columns, as the same rows that the same events give one by one."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.events import Batch
from consumers.sinks.files.columns import of_batch
from consumers.sinks.files.feed import Feed
from schemas.errors import PermanentError
from tests.consumers.test_postgresql_columns import FLAT, RARE, READS, Read, changes

DAY = dt.date(2026, 1, 1)
NOTHING: dict[str, Any] = dict.fromkeys(f["name"] for f in FLAT)


def by_columns(read: Read, batch: Batch) -> bool:
    feed = Feed(read.view)
    types = [feed.schema.field(c.name).type for c in read.view.columns]
    return of_batch(batch, list(zip(read.view.columns, types, strict=True))) is not None


def fed(read: Read, batch: Batch) -> tuple[str, int]:
    """The rows as text, in which a NaN equals another and -0.0 is not 0.0, or the error's words."""
    try:
        rows, deleted = Feed(read.view).rows(batch)
    except PermanentError as error:
        return str(error), 0
    return repr(rows.to_pylist()), deleted


@pytest.mark.parametrize("codec", READS)
@settings(deadline=None)
@given(data=st.data())
def test_columns_give_the_rows_that_events_give(codec: str, data: st.DataObject) -> None:
    read = READS[codec]
    batch = read.batch(data.draw(changes(FLAT if codec == "native" else [*FLAT, *RARE])))
    assert fed(read, batch) == fed(read, Batch(list(batch.records), batch.steps))


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ([], True),
        ([("c", "1"), ("u", "1"), ("r", "2")], True),
        ([("c", "1"), ("d", "1"), ("tombstone", "1"), ("c", "1"), ("d", "1"), ("tombstone", "1")], True),
        ([("tombstone", "1")], False),
        ([("c", "1"), ("tombstone", "1")], False),
        ([("d", "1"), ("tombstone", "2")], False),
        ([("d", "1"), ("tombstone", "1"), ("tombstone", "1")], False),
        ([("d", "1"), ("d", "2"), ("tombstone", "1"), ("tombstone", "2")], False),
    ],
)
def test_a_batch_goes_by_columns_where_each_tombstone_repeats_the_delete_before_it(
    drawn: list[tuple[str, str]], expected: bool
) -> None:
    read = READS["native"]
    batch = read.batch([(op, code, DAY, NOTHING) for op, code in drawn])
    assert by_columns(read, batch) is expected
    assert fed(read, batch) == fed(read, Batch(list(batch.records), batch.steps))
