"""Whatever happens at the source, the events of a view applied to an empty table give what the subscriber may see now."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.change_event import change_event_schema
from schemas.codec import arrow_schema, codec_for
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from schemas.keys import key_text
from stream_apps.policy import Outcome, View, ViewKeys, compile_view, evaluate
from stream_apps.policy.keys import TokenKey
from tests.schemas.contracts import avro_contract, grant_document

CONTRACT = parse_contract(
    avro_contract(
        resource={"key": ["id", "n"]},
        fields=[
            {"name": "id", "type": "string"},
            {"name": "n", "type": "int"},
            {"name": "name", "type": ["null", "string"], "default": None},
            {"name": "district", "type": ["null", "string"], "default": None, "filterable": True},
            {"name": "cents", "type": ["null", "long"], "default": None},
        ],
    )
)
KEYS = ViewKeys(b"p" * 32, "g")
AT = 1_793_500_000_000
LAYOUT = arrow_schema(change_event_schema(CONTRACT))
Row = dict[str, Any]
IDS = ("a", "b", "a|1", "\\")
NAMES = (None, "", "王", "王伟", "王芳", "欧阳修文")
DISTRICTS = (None, "", "云岩区", "南明区")
CENTS = (None, -1, 0, 5, 10, 11)

ROWS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(IDS),
        "n": st.sampled_from((1, 2)),
        "name": st.sampled_from(NAMES),
        "district": st.sampled_from(DISTRICTS),
        "cents": st.sampled_from(CENTS),
    }
)


def token(key: TokenKey, text: str) -> str:
    return f"1-{hmac.new(key.key, text.encode(), hashlib.sha256).hexdigest()[:32]}"


ID_KEY = KEYS.token("purpose:综合治税", "scjg.things:id")
"""What pseudonyms of `id` are made with under the grants below."""


def surname(name: str | None) -> str | None:
    return None if name is None else "*" * len(name) if len(name) <= 1 else name[0] + "*" * (len(name) - 1)


def bucket(cents: int | None) -> str | None:
    return None if cents is None else "<0" if cents < 0 else "[0,10)" if cents < 10 else ">=10"


def raw_key(row: Row) -> str:
    return token(KEYS.view_key(), key_text([row["id"], row["n"]]))


GRANTS: dict[str, tuple[dict[str, Any], Callable[[Row], tuple[str, Row]]]] = {
    "keyed by its fields": (
        {"id": "pseudonym", "n": "pass", "name": {"mask": "partial", "keep_first": 1}, "cents": "drop"},
        lambda r: (
            f"{token(ID_KEY, r['id'])}|{r['n']}",
            {"id": token(ID_KEY, r["id"]), "n": r["n"], "name": surname(r["name"])},
        ),
    ),
    "keyed by a token": (
        {"n": "pass", "cents": {"mask": "bucket", "edges": [0, 10]}, "name": {"mask": "truncate", "length": 2}},
        lambda r: (
            raw_key(r),
            {"n": r["n"], "name": None if r["name"] is None else r["name"][:2], "cents": bucket(r["cents"])},
        ),
    ),
    "keyed by a token, its key field masked": (
        {"id": {"mask": "truncate", "length": 1}, "n": "pass"},
        lambda r: (raw_key(r), {"id": r["id"][:1], "n": r["n"]}),
    ),
}

FILTERS: dict[str | None, Callable[[Row], bool]] = {
    None: lambda r: True,
    "district = '云岩区'": lambda r: r["district"] == "云岩区",
    "NOT district = '云岩区'": lambda r: r["district"] not in (None, "云岩区"),
    "district NOT LIKE '云%'": lambda r: r["district"] is not None and not r["district"].startswith("云"),
    "district IS NULL OR n > 1": lambda r: r["district"] is None or r["n"] > 1,
}


def view_of(fields: dict[str, Any], where: str | None, **changes: Any) -> View:
    return compile_view(CONTRACT, parse_grant(grant_document(fields=fields, where=where, **changes)))


def event(op: str, before: Row | None, after: Row | None) -> Row:
    row = after or before
    assert row is not None
    return {"op": op, "key": {"id": row["id"], "n": row["n"]}, "before": before, "after": after}


def batch(events: list[Row]) -> pa.RecordBatch:
    rest = {"event_id": "e", "source": "s", "position": "p", "occurred_at": None, "published_at": 0}
    return pa.RecordBatch.from_pylist([e | rest for e in events], schema=LAYOUT)


def source_event(table: dict[tuple[Any, ...], Row], row: Row, action: str, target: Row) -> Row | None:
    """One change at the source, applied to `table`."""
    key, there = (row["id"], row["n"]), (row["id"], row["n"]) in table
    if action == "delete":
        return event("d", table.pop(key), None) if there else None
    if action == "move" and there and (target["id"], target["n"]) not in table:
        old, new = table.pop(key), {**row, "id": target["id"], "n": target["n"]}
        table[new["id"], new["n"]] = new
        return event("u", old, new)
    old_row = table.get(key)
    table[key] = row
    return event("u", old_row, row) if old_row else event("r" if action == "snapshot" else "c", None, row)


def apply(seen: dict[bytes, Row], released: Any, *, before: bool) -> None:
    for key, e in zip(released.kafka_keys.to_pylist(), released.events.to_pylist(), strict=True):
        if e["op"] == "d":
            assert e["after"] is None
            # known keys only: nothing is emitted about rows that were never in the view
            del seen[key]
        else:
            assert (e["op"] == "u") == (key in seen)
            if before:
                assert e["before"] == seen.get(key)
            seen[key] = e["after"]


STEPS = st.lists(st.tuples(ROWS, st.sampled_from(("put", "put", "snapshot", "delete", "move")), ROWS), max_size=30)


@settings(max_examples=150, deadline=None)
@given(
    steps=STEPS,
    grant=st.sampled_from(list(GRANTS)),
    where=st.sampled_from(list(FILTERS)),
    size=st.integers(1, 12),
    before=st.booleans(),
)
def test_applied_events_give_exactly_what_may_be_seen(
    steps: list[tuple[Row, str, Row]], grant: str, where: str | None, size: int, before: bool
) -> None:
    fields, masked = GRANTS[grant]
    view = view_of(fields, where, before=before)
    table: dict[tuple[Any, ...], Row] = {}
    events = [e for row, action, target in steps if (e := source_event(table, row, action, target))]
    seen: dict[bytes, Row] = {}
    for start in range(0, len(events), size):
        released = evaluate(view, batch(events[start : start + size]), keys=KEYS, at_ms=AT)
        assert not released.failed
        codec_for(view.schema, 1).encode(released.events)
        apply(seen, released, before=before)
    may_see = dict(masked(r) for r in table.values() if FILTERS[where](r))
    assert {k.decode(): v for k, v in seen.items()} == may_see


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, where=st.sampled_from(list(FILTERS)))
def test_one_batch_or_many_and_once_or_again_release_the_same(
    steps: list[tuple[Row, str, Row]], where: str | None
) -> None:
    view = view_of(GRANTS["keyed by its fields"][0], where)
    table: dict[tuple[Any, ...], Row] = {}
    events = [e for row, action, target in steps if (e := source_event(table, row, action, target))]
    whole, again = (evaluate(view, batch(events), keys=KEYS, at_ms=AT) for _ in range(2))
    parts = [evaluate(view, batch([e]), keys=KEYS, at_ms=AT) for e in events]
    codec = codec_for(view.schema, 1)
    assert codec.encode(whole.events) == codec.encode(again.events)
    assert codec.encode(whole.events) == [v for p in parts for v in codec.encode(p.events)]
    assert whole.outcome.tolist() == [o for p in parts for o in p.outcome.tolist()]
    assert whole.kafka_keys.to_pylist() == [k for p in parts for k in p.kafka_keys.to_pylist()]


ROW = {"id": "a", "n": 1, "name": "王伟", "district": "云岩区", "cents": 5}
MOVED = {**ROW, "id": "b"}


def test_an_update_that_changes_no_released_field_is_emitted_only_if_its_predecessor_may_be_missing() -> None:
    view = view_of(GRANTS["keyed by its fields"][0], None)
    events = batch([event("u", ROW, {**ROW, "name": "王芳", "cents": 9})] * 2)
    released = evaluate(view, events, keys=KEYS, at_ms=AT, known=np.array([True, False]))
    assert released.outcome.tolist() == [Outcome.UNCHANGED, Outcome.EMITTED]
    assert released.source.tolist() == [1]


class Faulty:
    """Stands where a mask stands and raises for one name."""

    def __init__(self, mask: Any) -> None:
        self._mask = mask

    def __getattr__(self, name: str) -> Any:
        return getattr(self._mask, name)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        if "王芳" in column.to_pylist():
            raise ZeroDivisionError
        return self._mask.columns(column, keys, row_keys)


def with_faulty_mask(view: View) -> View:
    fields = tuple(replace(f, mask=Faulty(f.mask)) if f.name == "name" else f for f in view.fields)
    return replace(view, fields=fields)


def test_a_mask_that_raises_withholds_that_event_only_and_deletes_its_row() -> None:
    view = with_faulty_mask(view_of(GRANTS["keyed by its fields"][0], None))
    bad = {**ROW, "id": "x", "name": "王芳"}
    events = [event("u", ROW, {**ROW, "name": "李"}), event("u", {**bad, "name": "王"}, bad), event("c", None, MOVED)]
    released = evaluate(view, batch(events), keys=KEYS, at_ms=AT)
    assert released.outcome.tolist() == [Outcome.EMITTED, Outcome.FAILED, Outcome.EMITTED]
    assert [(row, why.value) for row, why in released.failed] == [(1, "mask_failed")]
    assert released.events.column("op").to_pylist() == ["u", "d", "c"]
    assert released.kafka_keys.to_pylist()[1].decode() == f"{token(ID_KEY, 'x')}|1"


def test_a_key_change_that_cannot_be_masked_deletes_the_old_row_too() -> None:
    view = with_faulty_mask(view_of(GRANTS["keyed by its fields"][0], None))
    released = evaluate(view, batch([event("u", ROW, {**MOVED, "name": "王芳"})]), keys=KEYS, at_ms=AT)
    assert released.outcome.tolist() == [Outcome.FAILED]
    deleted = {k.decode() for k in released.kafka_keys.to_pylist()}
    assert deleted == {f"{token(ID_KEY, i)}|1" for i in "ab"}
    assert released.deletes.all()


@pytest.mark.parametrize("op", ["c", "r", "u"])
def test_an_event_without_the_row_it_needs_releases_at_most_a_delete(op: str) -> None:
    view = view_of(GRANTS["keyed by its fields"][0], None)
    broken = {**event(op, None, ROW), "after": None}
    released = evaluate(view, batch([broken]), keys=KEYS, at_ms=AT)
    assert released.outcome.tolist() == [Outcome.FAILED]
    assert released.events.column("op").to_pylist() in ([], ["d"])


def test_a_row_under_anothers_key_is_not_released() -> None:
    view = view_of(GRANTS["keyed by its fields"][0], None)
    crossed = {**event("u", None, ROW), "key": {"id": "b", "n": 1}}
    released = evaluate(view, batch([crossed]), keys=KEYS, at_ms=AT)
    assert released.outcome.tolist() == [Outcome.FAILED]
    assert released.events.column("after").null_count == len(released.events)


def test_outside_its_validity_a_grant_releases_nothing() -> None:
    view = view_of(GRANTS["keyed by its fields"][0], None, valid={"from": "2026-11-01", "until": "2026-11-30"})
    last = 1_796_054_400_000 - 1  # 2026-11-30 23:59:59.999 in Asia/Shanghai
    for at, emitted in ((last, 1), (last + 1, 0), (last - 30 * 86_400_000, 0), (last - 30 * 86_400_000 + 1, 1)):
        released = evaluate(view, batch([event("c", None, ROW)]), keys=KEYS, at_ms=at)
        assert len(released.events) == emitted


@pytest.mark.parametrize(
    ("precision", "told"),
    [
        ("millisecond", "2026-11-24T01:02:03.456+08:00"),
        ("second", "2026-11-24T01:02:03+08:00"),
        ("minute", "2026-11-24T01:02:00+08:00"),
        ("hour", "2026-11-24T01:00:00+08:00"),
        ("day", "2026-11-24T00:00:00+08:00"),
    ],
)
def test_the_time_of_release_is_no_finer_than_granted(precision: str, told: str) -> None:
    view = view_of(GRANTS["keyed by its fields"][0], None, release_time=precision)
    at = int(dt.datetime.fromisoformat("2026-11-24T01:02:03.456+08:00").timestamp() * 1000)
    released = evaluate(view, batch([event("c", None, ROW)]), keys=KEYS, at_ms=at)
    moment = released.events.column("released_at").to_pylist()[0].replace(tzinfo=dt.UTC)
    assert moment == dt.datetime.fromisoformat(told)
