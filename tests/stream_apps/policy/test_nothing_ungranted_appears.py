"""What a grant does not name moves no byte of what is released: not of values, keys, `before`, outcomes or schema."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro_types import without_null
from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.codec.avro_tree import expand
from schemas.codec.row_arrays import from_values
from schemas.contract import Contract, parse_contract
from schemas.grant import parse_grant
from schemas.keys import key_text
from stream_apps.policy import Released, ViewKeys, compile_view, delete_for_keys, evaluate
from stream_apps.policy.masks import MASKS
from tests.kit.avro_strategies import record_schemas, values
from tests.schemas.contracts import avro_contract, grant_document

KEYS = ViewKeys(b"p" * 32, "g")
AT = 1_793_500_000_000
USES: dict[str, Any] = {
    "pass": "pass",
    "null": "null",
    "drop": "drop",
    "partial": {"mask": "partial", "keep_first": 1, "keep_last": 1},
    "pseudonym": "pseudonym",
    "truncate": {"mask": "truncate", "length": 2},
    "bucket": {"mask": "bucket", "edges": [-5, 0, 5.5]},
    "date_to_year": "date-to-year",
}
FIXED = [{"name": "id", "type": "string"}, {"name": "flag", "type": ["null", "int"], "filterable": True}]
SIDES = {"c": (False, True), "r": (False, True), "u": (True, True), "d": (True, False)}


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Contract, dict[str, Any], pa.RecordBatch, pa.RecordBatch]:
    """A contract, a grant on it, and two batches of events that differ only in what the grant does not name."""
    fields = draw(record_schemas())["fields"]
    contract = parse_contract(avro_contract(fields=[*FIXED, *fields]))
    uses = {}
    for f in contract.fields:
        suiting = [m for m, kind in MASKS.items() if m in USES and kind.suits(without_null(f.type))]
        if suiting and f.name != "flag" and draw(st.booleans()):
            uses[f.name] = USES[draw(st.sampled_from(suiting))]
    if all(use == "drop" for use in uses.values()):
        uses["id"] = "pseudonym"
    granted = {name for name, use in uses.items() if use != "drop"} | {"id", "flag"}
    layout = codec_for(change_event_schema(contract), 1).arrow
    ops = draw(st.lists(st.sampled_from(list(SIDES)), min_size=1, max_size=5))
    row = st.fixed_dictionaries(
        {f["name"]: values(f["type"]) for f in expand(contract.row_type("Row"))["fields"]}
        | {"id": st.sampled_from(["", "a", "b|"]), "flag": st.sampled_from([None, 0, 1])}
    )
    seen = [(draw(row), draw(row)) for _ in ops]
    others = [(draw(row), draw(row)) for _ in ops]
    hidden = [
        tuple({k: r[k] if k in granted else o[k] for k in r} for r, o in zip(pair, other, strict=True))
        for pair, other in zip(seen, others, strict=True)
    ]
    return contract, uses, batch(contract, layout, ops, seen), batch(contract, layout, ops, hidden)


def batch(contract: Contract, layout: pa.Schema, ops: list[str], pairs: list[Any]) -> pa.RecordBatch:
    """Events laid out as decoded; where a row is absent its children hold what no policy may look at."""
    tree = expand(contract.row_type("Row"))["fields"]

    def side(which: int) -> Any:
        own = [pair[which] | {"id": pair[1]["id"]} for pair in pairs]
        type_ = layout.field("after").type
        columns = [from_values([r[f["name"]] for r in own], f["type"], type_.field(f["name"]).type) for f in tree]
        absent = pa.array([not SIDES[op][which] for op in ops])
        return pa.StructArray.from_arrays(columns, fields=list(type_), mask=absent)

    columns: dict[str, Any] = {
        "op": pa.array(ops),
        "key": pa.array([{"id": pair[1]["id"]} for pair in pairs], layout.field("key").type),
        "before": side(0),
        "after": side(1),
    }
    loose = pa.schema([f.with_nullable(True) for f in layout])
    arrays = [columns[f.name] if f.name in columns else pa.nulls(len(ops), f.type) for f in layout]
    return pa.RecordBatch.from_arrays(arrays, schema=loose)


def told(released: Released, schema: dict[str, Any]) -> Any:
    """All a subscriber can observe, as bytes."""
    values_ = codec_for(schema, 1).encode(released.events)
    return values_, released.kafka_keys.to_pylist(), released.outcome.tolist(), released.failed


@settings(max_examples=150, deadline=None)
@given(world=worlds(), where=st.sampled_from([None, "flag = 1", "flag <> 1 OR flag IS NULL"]), before=st.booleans())
def test_what_is_not_granted_moves_no_byte_of_what_is_released(world: Any, where: str | None, before: bool) -> None:
    contract, uses, seen, hidden = world
    view = compile_view(contract, parse_grant(grant_document(fields=uses, where=where, before=before)))
    released, other = (evaluate(view, b, keys=KEYS, at_ms=AT) for b in (seen, hidden))
    assert told(released, view.schema) == told(other, view.schema)
    assert not released.failed
    names = {f.name for f in view.fields}
    assert names == {name for name, use in uses.items() if use != "drop"}
    for column in ("after", "before") if before else ("after",):
        assert {f.name for f in view.arrow.field(column).type} == names


@settings(max_examples=50, deadline=None)
@given(world=worlds(), before=st.booleans(), cut=st.integers(0, 5))
def test_a_slice_of_a_batch_releases_what_its_rows_release_alone(world: Any, before: bool, cut: int) -> None:
    contract, uses, seen, _ = world
    view = compile_view(contract, parse_grant(grant_document(fields=uses, where="flag = 1", before=before)))
    whole = told(evaluate(view, seen, keys=KEYS, at_ms=AT), view.schema)
    parts = [told(evaluate(view, b, keys=KEYS, at_ms=AT), view.schema) for b in (seen.slice(0, cut), seen.slice(cut))]
    assert whole == tuple(a + b for a, b in zip(*parts, strict=True))


@settings(max_examples=50, deadline=None)
@given(world=worlds(), key=st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_a_delete_by_key_holds_nothing_but_the_view_key(world: Any, key: str) -> None:
    contract, uses, _, _ = world
    view = compile_view(contract, parse_grant(grant_document(fields=uses, before=True)))
    deleted = delete_for_keys(view, [key_text([key])], keys=KEYS, at_ms=AT)
    event = deleted.events.to_pylist()[0]
    assert (event["op"], event["before"], event["after"]) == ("d", None, None)
    if "pass" not in str(uses.get("id")):
        assert event["key"] != {"id": key}
        assert deleted.kafka_keys[0].as_py() != key_text([key]).encode()
