"""A rotation of keys: for a declared window old and new tokens can be joined, afterwards nothing is made with the old key."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.change_event import change_event_schema
from schemas.clock import end_of_day_ms
from schemas.codec import arrow_schema, rows
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from schemas.key_ring import KeyRing, MasterSecret
from stream_apps.policy import Outcome, View, ViewKeys, compile_view, delete_for_keys, derive_keys, evaluate
from tests.schemas.contracts import avro_contract, grant_document

UNTIL = dt.date(2027, 3, 31)
IN_WINDOW, AFTER = end_of_day_ms(UNTIL), end_of_day_ms(UNTIL) + 1
ONE = KeyRing({1: MasterSecret(1, b"1" * 32, "sha256")}, 1)
BOTH = KeyRing({1: MasterSecret(1, b"1" * 32, "sha256", UNTIL), 2: MasterSecret(2, b"2" * 32, "sm3")}, 2)
CONTRACT = parse_contract(
    avro_contract(
        fields=[
            {"name": "id", "type": "string"},
            {"name": "id_no", "type": ["null", "string"]},
            {"name": "name", "type": ["null", "string"]},
        ]
    )
)
LAYOUT = pa.schema([f.with_nullable(True) for f in arrow_schema(change_event_schema(CONTRACT))])
WITH_PREVIOUS = {"id": "pass", "id_no": {"mask": "pseudonym", "previous": True}}


def view(**fields: Any) -> View:
    return compile_view(CONTRACT, parse_grant(grant_document(fields=fields)))


def keys(ring: KeyRing, version: int) -> ViewKeys:
    return derive_keys(ring, "shuiwu", "g", version)


def after(compiled: View, given: ViewKeys, at_ms: int, numbers: list[str | None]) -> list[dict[str, Any]]:
    rest = dict.fromkeys(("before", "event_id", "source", "position", "occurred_at", "published_at"))
    events = [
        {"op": "c", "key": {"id": str(i)}, "after": {"id": str(i), "id_no": no, "name": None}} | rest
        for i, no in enumerate(numbers)
    ]
    batch = pa.RecordBatch.from_pylist(events, schema=LAYOUT)
    return [row["after"] for row in rows(evaluate(compiled, batch, keys=given, at_ms=at_ms).events)]


NUMBERS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=18), min_size=1, max_size=8)


@given(numbers=NUMBERS)
def test_in_the_window_the_previous_token_is_the_one_of_before_the_rotation_and_the_new_one_is_another(
    numbers: list[str | None],
) -> None:
    old = after(view(**WITH_PREVIOUS), keys(ONE, 1), IN_WINDOW, numbers)
    new = after(view(**WITH_PREVIOUS), keys(BOTH, 2), IN_WINDOW, numbers)
    assert [r["_previous_id_no"] for r in new] == [r["id_no"] for r in old]
    assert all(r["_previous_id_no"] is None for r in old)
    for number, was, now in zip(numbers, old, new, strict=True):
        assert (number is None) == (now["id_no"] is None)
        if number is not None:
            assert now["id_no"].startswith("2-") and was["id_no"].startswith("1-")
            assert now["id_no"][2:] != was["id_no"][2:]


def test_from_the_first_moment_after_the_window_the_previous_token_is_null() -> None:
    compiled = view(**WITH_PREVIOUS)
    [inside] = after(compiled, keys(BOTH, 2), IN_WINDOW, ["520102199001010014"])
    [outside] = after(compiled, keys(BOTH, 2), AFTER, ["520102199001010014"])
    assert inside["_previous_id_no"] is not None and outside["_previous_id_no"] is None
    assert inside["id_no"] == outside["id_no"]


def test_a_grant_still_under_the_old_key_releases_until_the_end_of_the_window_and_nothing_after_it() -> None:
    compiled, old = view(id="pass", id_no="pseudonym"), keys(BOTH, 1)
    assert len(after(compiled, old, IN_WINDOW, ["a"])) == 1
    batch = pa.RecordBatch.from_pylist([dict.fromkeys(LAYOUT.names) | {"op": "c"}], schema=LAYOUT)
    released = evaluate(compiled, batch, keys=old, at_ms=AFTER)
    assert (len(released.events), released.outcome.tolist()) == (0, [Outcome.NOT_VALID])


@pytest.mark.parametrize("fields", [{"id": "pseudonym", "id_no": "pass"}, {"id_no": "pass"}])
def test_not_even_a_delete_is_made_with_a_key_whose_time_is_over(fields: dict[str, Any]) -> None:
    compiled, old = view(**fields), keys(BOTH, 1)
    assert len(delete_for_keys(compiled, ["k"], keys=old, at_ms=IN_WINDOW).events) == 1
    assert len(delete_for_keys(compiled, ["k"], keys=old, at_ms=AFTER).events) == 0
    assert len(delete_for_keys(compiled, ["k"], keys=keys(BOTH, 2), at_ms=AFTER).events) == 1


def test_a_view_that_needs_no_keys_outlives_them() -> None:
    compiled = view(id="pass", id_no={"mask": "partial", "keep_first": 1})
    assert not compiled.keyed
    assert len(after(compiled, keys(BOTH, 1), AFTER, ["abc"])) == 1


def test_each_rotation_bridges_to_the_version_right_before_it() -> None:
    three = KeyRing({**BOTH.secrets, 2: MasterSecret(2, b"2" * 32, "sm3", UNTIL), 3: MasterSecret(3, b"3" * 32)}, 3)
    compiled = view(**WITH_PREVIOUS)
    [second] = after(compiled, keys(BOTH, 2), IN_WINDOW, ["x"])
    [third] = after(compiled, keys(three, 3), IN_WINDOW, ["x"])
    assert third["_previous_id_no"] == second["id_no"]
