"""Two ids never give one topic, metric, group, transaction, table, column or file, however their separators fold."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consumers.naming import column_names, table_name
from schemas import ids

WORD = st.text("ag1s", min_size=1, max_size=2)
ID = st.lists(st.tuples(WORD, st.sampled_from("._-")), min_size=1, max_size=4).map(
    lambda parts: "".join(w + s for w, s in parts)[:-1]
)
GENERATION = st.integers(1, 12)


def topics(one: str, generation: int) -> dict[str, str]:
    """Every topic an id may stand in."""
    return {
        "source": ids.source_topic(one),
        "quarantine": ids.quarantine_topic(one),
        "positions": ids.positions_topic(one),
        "desk": ids.desk_topic(one),
        "grant": ids.grant_topic(one, generation),
    }


def as_kafka_counts_it(topic: str) -> str:
    """Kafka's metrics take `.` and `_` for one character, and it refuses a topic that only differs there."""
    return topic.replace(".", "_")


@given(ID, ID, GENERATION, GENERATION)
@example("a.g1", "a", 1, 1)
@example("a_b", "a.b", 1, 1)
@example("a-b", "a_b", 1, 1)
@settings(deadline=None)
def test_two_ids_have_no_topic_subject_or_metric_in_common(one: str, other: str, m: int, n: int) -> None:
    mine, theirs = topics(one, m), topics(other, n)
    for kind, their in product(mine, theirs):
        same = one == other and kind == their and (kind != "grant" or m == n)
        for seen in (str, as_kafka_counts_it, ids.subject):
            assert (seen(mine[kind]) == seen(theirs[their])) == same
    for own in (ids.POLICY_TOPIC, ids.DEAD_LETTER_TOPIC, ids.EVIDENCE_TOPIC):
        assert own not in mine.values()


@given(ID, ID, ID, ID)
@example("a.b", "c", "a", "b.c")
@settings(deadline=None)
def test_two_publishers_have_no_transaction_in_common(a: str, r: str, b: str, s: str) -> None:
    one, other = ids.publisher_transaction(a, r), ids.publisher_transaction(b, s)
    assert (one == other) == ((a, r) == (b, s))


@given(ID, ID, ID)
@example("a", "a.b", "c")
@example("bus", "bus", "exchange")
@settings(deadline=None)
def test_what_one_department_may_name_never_covers_another_s_or_the_bus_s(one: str, other: str, adapter: str) -> None:
    if one != other:
        assert not ids.own_groups(other).startswith(ids.own_groups(one))
        assert not ids.publisher_transaction(adapter, other).startswith(ids.own_transactions(one))
    for group in (ids.EXCHANGE_GROUP, "bus.exchange-replay", "bus.control-log"):
        assert not group.startswith(ids.own_groups(one))
    assert not ids.publisher_transaction(adapter, one).startswith("bus.")


@given(st.sets(ID, min_size=2, max_size=20))
@settings(deadline=None)
def test_two_grants_have_no_table_in_common_even_where_case_does_not_count(grants: set[str]) -> None:
    assert len({table_name(g).lower() for g in grants}) == len(grants)


@given(st.lists(st.text("aA_1", min_size=1, max_size=5).filter(lambda n: not n[0].isdigit()), unique=True, max_size=20))
@settings(deadline=None)
def test_two_fields_have_no_column_in_common_even_where_case_does_not_count(fields: list[str]) -> None:
    assert len({c.lower() for c in column_names(fields).values()}) == len(fields)


@given(ID)
@settings(deadline=None)
def test_an_id_is_a_file_name_that_stays_in_its_folder(one: str) -> None:
    assert one == one.strip(".-_").lower()
    assert not set(one) & set('/\\:*?"<>| \t\n\x00')
    assert ".." not in one


@pytest.mark.parametrize(
    "bad", ["a/b", "../a", "a\\b", "a:b", "a b", "a\x00", "A", "a.", ".a", "a..b", "a-.b", "名", "a\u202e", "ａ", ""]
)
def test_what_could_leave_its_folder_or_meet_another_is_no_id(bad: str) -> None:
    with pytest.raises(ValueError, match="an id"):
        ids.check_id(bad)
