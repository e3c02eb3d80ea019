"""The table of transitions in `judge`, row by row, and what becomes of events that contradict themselves."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from schemas.change_event import change_event_schema
from schemas.codec import arrow_schema
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from stream_apps.policy import Failure, Outcome, Released, View, ViewKeys, compile_view, evaluate, judge
from tests.schemas.contracts import avro_contract, grant_document

CONTRACT = parse_contract(
    avro_contract(
        fields=[
            {"name": "id", "type": "string"},
            {"name": "flag", "type": ["null", "int"], "filterable": True},
            {"name": "size", "type": ["null", "double"]},
        ]
    )
)
LAYOUT = pa.schema([f.with_nullable(True) for f in arrow_schema(change_event_schema(CONTRACT))])
KEYS = ViewKeys(b"p" * 32, "g")
AT = 1_793_500_000_000
Row = dict[str, Any]


def row(flag: int | None, size: float | None = 1.0, id_: str = "a") -> Row:
    return {"id": id_, "flag": flag, "size": size}


IN, OUT, UNKNOWN, ABSENT = row(1), row(0), row(None), None
NAN = row(1, float("nan"))


def view(*, before: bool = False, size: Any = "pass", **changes: Any) -> View:
    fields = {"id": "pass", "size": size}
    return compile_view(
        CONTRACT, parse_grant(grant_document(fields=fields, where="flag = 1", before=before, **changes))
    )


def event(op: str | None, before: Row | None, after: Row | None, key: str | None = "a") -> Row:
    return {"op": op, "key": {"id": key}, "before": before, "after": after}


def evaluated(view: View, *events: Row, **arguments: Any) -> Released:
    rest = dict.fromkeys(("event_id", "source", "position", "occurred_at", "published_at"))
    batch = pa.RecordBatch.from_pylist([e | rest for e in events], schema=LAYOUT)
    return evaluate(view, batch, keys=KEYS, at_ms=AT, **arguments)


def shown(released: Released) -> list[tuple[str, str]]:
    return [(e["op"], e["key"]["id"]) for e in released.events.to_pylist()]


@pytest.mark.parametrize(
    ("op", "before", "after", "emitted", "outcome"),
    [
        ("c", ABSENT, IN, ["c"], Outcome.EMITTED),
        ("r", ABSENT, IN, ["r"], Outcome.EMITTED),
        ("c", ABSENT, OUT, [], Outcome.FILTERED),
        ("r", ABSENT, OUT, [], Outcome.FILTERED),
        ("c", ABSENT, UNKNOWN, [], Outcome.FILTERED),
        ("u", IN, row(1, 2.0), ["u"], Outcome.EMITTED),
        ("u", IN, IN, [], Outcome.UNCHANGED),
        ("u", OUT, IN, ["c"], Outcome.EMITTED),
        ("u", UNKNOWN, IN, ["c"], Outcome.EMITTED),
        ("u", IN, OUT, ["d"], Outcome.EMITTED),
        ("u", IN, UNKNOWN, ["d"], Outcome.EMITTED),
        ("u", OUT, OUT, [], Outcome.FILTERED),
        ("u", UNKNOWN, OUT, [], Outcome.FILTERED),
        ("u", ABSENT, IN, ["u"], Outcome.EMITTED),
        ("u", ABSENT, OUT, ["d"], Outcome.FAILED),
        ("d", IN, ABSENT, ["d"], Outcome.EMITTED),
        ("d", OUT, ABSENT, [], Outcome.FILTERED),
        ("d", UNKNOWN, ABSENT, [], Outcome.FILTERED),
        ("d", ABSENT, ABSENT, ["d"], Outcome.EMITTED),
    ],
)
@pytest.mark.parametrize("with_before", [False, True])
def test_a_row_of_the_table_is_what_happens(
    op: str, before: Row | None, after: Row | None, emitted: list[str], outcome: Outcome, with_before: bool
) -> None:
    released = evaluated(view(before=with_before), event(op, before, after))
    assert [o for o, _ in shown(released)] == emitted
    assert released.outcome.tolist() == [outcome]
    assert released.deletes.tolist() == [o == "d" for o in emitted]
    for told in released.events.to_pylist():
        assert told["after"] == (None if told["op"] == "d" else {"id": "a", "size": after and after["size"]})
        if with_before:
            was_in = before is not None and before["flag"] == 1
            assert told["before"] == ({"id": "a", "size": 1.0} if was_in else None)


@pytest.mark.parametrize(
    ("before", "after", "emitted"),
    [
        (IN, row(1, id_="b"), [("d", "a"), ("c", "b")]),
        (IN, row(0, id_="b"), [("d", "a")]),
        (OUT, row(1, id_="b"), [("c", "b")]),
        (OUT, row(0, id_="b"), []),
    ],
)
def test_a_change_of_the_key_is_a_delete_of_the_old_and_a_create_of_the_new(
    before: Row, after: Row, emitted: list[tuple[str, str]]
) -> None:
    released = evaluated(view(before=True), event("u", before, after, "b"))
    assert shown(released) == emitted
    was = {op: e["before"] for (op, _), e in zip(emitted, released.events.to_pylist(), strict=True)}
    assert was.get("d") == ({"id": "a", "size": 1.0} if ("d", "a") in emitted else None)
    assert was.get("c") is None


@pytest.mark.parametrize(
    ("contradiction", "emitted"),
    [
        (event("c", None, None), []),
        (event("c", None, IN, "b"), []),
        (event("r", None, None), [("d", "a")]),
        (event("r", None, IN, "b"), [("d", "b")]),
        (event("u", IN, None), [("d", "a")]),
        (event("u", None, IN, "b"), [("d", "b")]),
        (event("u", IN, row(1, id_="b"), "c"), [("d", "a"), ("d", "c")]),
        (event("u", IN, row(1, id_="b"), "a"), [("d", "a")]),
        (event("d", None, IN), [("d", "a")]),
        (event("d", IN, None, "b"), [("d", "a"), ("d", "b")]),
        (event(None, IN, IN), [("d", "a")]),
        (event("x", IN, IN), [("d", "a")]),
    ],
)
def test_an_event_that_contradicts_itself_releases_only_deletes_of_the_rows_it_may_be_about(
    contradiction: Row, emitted: list[tuple[str, str]]
) -> None:
    released = evaluated(view(before=True), contradiction, event("c", None, row(1, id_="z"), "z"))
    assert shown(released) == [*emitted, ("c", "z")]
    assert released.outcome.tolist() == [Outcome.FAILED, Outcome.EMITTED]
    assert released.failed == [(0, Failure.INCONSISTENT)]
    assert released.source.tolist() == [0] * len(emitted) + [1]
    assert all(e["before"] is None for e in released.events.to_pylist())


def test_a_missing_before_is_told_apart_from_a_contradiction() -> None:
    assert evaluated(view(), event("u", None, OUT)).failed == [(0, Failure.MISSING_BEFORE)]


def test_an_event_whose_key_is_null_releases_nothing_and_its_neighbours_are_released() -> None:
    events = [event("u", IN, row(1, 2.0)), event("d", None, None, None), event("c", None, row(1, id_="b"), "b")]
    released = evaluated(view(), *events)
    assert shown(released) == [("u", "a"), ("c", "b")]
    assert released.outcome.tolist() == [Outcome.EMITTED, Outcome.FAILED, Outcome.EMITTED]


@pytest.mark.parametrize(
    ("op", "before", "after", "emitted"),
    [
        ("c", ABSENT, NAN, []),
        ("r", ABSENT, NAN, [("d", "a")]),
        ("u", IN, NAN, [("d", "a")]),
        ("u", OUT, NAN, []),
        ("u", ABSENT, NAN, [("d", "a")]),
    ],
)
def test_a_value_its_mask_refuses_leaves_the_view_as_a_failure(
    op: str, before: Row | None, after: Row | None, emitted: list[tuple[str, str]]
) -> None:
    released = evaluated(view(size={"mask": "bucket", "edges": [0]}), event(op, before, after))
    assert shown(released) == emitted
    assert released.failed == [(0, Failure.MASK_FAILED)]


def test_a_refused_value_in_before_withholds_the_row_only_if_before_is_released() -> None:
    for before, emitted in ((False, [("u", "a")]), (True, [("d", "a")])):
        released = evaluated(view(before=before, size={"mask": "bucket", "edges": [0]}), event("u", NAN, IN))
        assert shown(released) == emitted


def test_a_refused_value_outside_the_view_is_no_failure() -> None:
    released = evaluated(view(size={"mask": "bucket", "edges": [0]}), event("c", None, row(0, float("nan"))))
    assert released.outcome.tolist() == [Outcome.FILTERED]


def test_many_refused_values_cost_no_search_for_each() -> None:
    compiled = view(size={"mask": "bucket", "edges": [0]})
    calls = 0

    class Counting(type(compiled.fields[1].mask)):  # type: ignore[misc]
        def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
            nonlocal calls
            calls += 1
            return super().columns(column, keys, row_keys)

    object.__setattr__(compiled.fields[1], "mask", Counting(edges=(0,)))
    released = evaluated(compiled, *[event("u", IN, NAN)] * 500, event("c", None, IN))
    assert len(released.failed) == 500
    assert calls <= 2


def test_a_filter_that_raises_withholds_that_event_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def poisoned(predicate: Any, rows: Any) -> Any:
        if 13.0 in rows.field("size").to_pylist():
            raise ZeroDivisionError
        return truth(predicate, rows)

    truth = judge.truth
    monkeypatch.setattr(judge, "truth", poisoned)
    events = [
        event("u", OUT, row(1, 2.0)),
        event("u", IN, row(1, 13.0)),
        event("c", None, row(1, 13.0)),
        event("d", IN, None),
    ]
    released = evaluated(view(), *events)
    assert shown(released) == [("c", "a"), ("d", "a"), ("d", "a")]
    assert released.failed == [(1, Failure.FILTER_FAILED), (2, Failure.FILTER_FAILED)]
    assert released.source.tolist() == [0, 1, 3]


def test_lack_of_memory_is_no_fault_of_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: Any) -> Any:
        raise MemoryError

    module = importlib.import_module("stream_apps.policy.evaluate")
    monkeypatch.setattr(module, "judge", exhausted)
    with pytest.raises(MemoryError):
        evaluated(view(), event("u", IN, row(1, 2.0)))


def test_unchanged_is_told_where_the_predecessor_may_be_missing() -> None:
    same = event("u", IN, row(1, 1.0))
    released = evaluated(view(), same, same, known=np.array([True, False]))
    assert released.outcome.tolist() == [Outcome.UNCHANGED, Outcome.EMITTED]


@pytest.mark.parametrize(("before", "after", "changed"), [(None, None, False), (None, 0.0, True), (0.0, None, True)])
def test_null_is_a_value_like_others_when_it_comes_to_change(
    before: float | None, after: float | None, changed: bool
) -> None:
    released = evaluated(view(), event("u", row(1, before), row(1, after)))
    assert bool(len(released.events)) is changed


def test_a_batch_without_events_releases_nothing() -> None:
    released = evaluated(view())
    assert (len(released.events), len(released.outcome), released.failed) == (0, 0, [])
    assert released.events.schema == view().arrow


def test_a_value_that_moves_to_another_branch_of_a_union_is_a_change() -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "any", "type": ["null", "boolean", "long", "double"]}]
    contract = parse_contract(avro_contract(fields=fields))
    compiled = compile_view(contract, parse_grant(grant_document(fields={"id": "pass", "any": "pass"})))
    layout = pa.schema([f.with_nullable(True) for f in arrow_schema(change_event_schema(contract))])
    row_type: Any = layout.field("after").type

    def rows(*codes: int) -> Any:
        children = [pa.nulls(2), pa.array([True] * 2), pa.array([1] * 2), pa.array([1.0] * 2)]
        union = pa.UnionArray.from_sparse(
            pa.array(codes, pa.int8()), children, [f.name for f in row_type.field(1).type]
        )
        return pa.StructArray.from_arrays([pa.array(["a", "b"]), union], fields=list(row_type))

    key = pa.array([{"id": "a"}, {"id": "b"}], layout.field("key").type)
    known: dict[str, Any] = {"op": pa.array(["u", "u"]), "key": key, "before": rows(1, 2), "after": rows(2, 2)}
    columns = [known[f.name] if f.name in known else pa.nulls(2, f.type) for f in layout]
    released = evaluate(compiled, pa.RecordBatch.from_arrays(columns, schema=layout), keys=KEYS, at_ms=AT)
    assert released.outcome.tolist() == [Outcome.EMITTED, Outcome.UNCHANGED]


def test_a_before_that_was_not_in_the_view_is_never_released_whatever_the_operation() -> None:
    for op in "cru":
        released = evaluated(view(before=True), event(op, row(0, 99.0), IN))
        assert [e["before"] for e in released.events.to_pylist()] == [None]
