"""What a grant addresses within records, arrays and maps is released, masked, at its place, and nothing beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.avro_types import AvroType, is_nullable, primitive, without_null
from schemas.change_event import change_event_schema
from schemas.codec import codec_for, rows
from schemas.codec.columns import ColumnCodec
from schemas.codec.rows import RowCodec
from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from schemas.keys import key_text
from schemas.paths import Path, parse_path
from stream_apps.policy import Failure, Outcome, Released, View, ViewKeys, compile_view, evaluate
from stream_apps.policy.mask_tree import Granted, leaf_masks
from stream_apps.policy.masks import Mask
from stream_apps.policy.row_columns import column
from tests.schemas.contracts import avro_contract, grant_document

KEYS = ViewKeys(b"p" * 32, "g")
AT = 1_793_500_000_000
QUIET = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def record(title: str, /, **members: Any) -> dict[str, Any]:
    return {"type": "record", "name": title, "fields": [{"name": n, "type": t} for n, t in members.items()]}


def listed(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def mapped(of: Any) -> dict[str, Any]:
    return {"type": "map", "values": of}


OPTION = ["null", "string"]
OWNER = record("Owner", name="string", id_no=OPTION)
HOME = record("Home", street="string", number="int", owner=OWNER, former=["null", record("Former", name="string")])
MEMBER = record("Member", id_no=OPTION, name="string", score="double", phones=listed(OPTION))
CONTACT = record("Contact", phone="string", note=OPTION, places=mapped("string"))
FIELDS = [
    {"name": "id", "type": "string"},
    {"name": "home", "type": ["null", HOME]},
    {"name": "members", "type": ["null", listed(["null", MEMBER])]},
    {"name": "contacts", "type": mapped(["null", CONTACT])},
    {"name": "lists", "type": listed(listed(record("Deep", a="string", b="string")))},
]
CONTRACT = parse_contract(avro_contract(fields=FIELDS))
EVENTS = change_event_schema(CONTRACT)
LAYOUT = codec_for(EVENTS, 1).arrow
TEXT_USES = [
    "pass", "pseudonym", "encrypt", "null", "drop", {"mask": "constant", "value": "x"}, {"mask": "partial", "keep_first": 1},
    {"mask": "partial", "preset": "name"}, {"mask": "truncate", "length": 1},
    {"mask": "regex_replace", "pattern": "a", "replacement": "b"},
]  # fmt: skip
TEXTS = [
    "home.street", "home.owner.name", "home.owner.id_no", "home.former.name", "members[].id_no", "members[].name",
    "members[].phones[]", "contacts[].phone", "contacts[].note", "lists[][].a", "lists[][].b",
]  # fmt: skip
NUMBERS = {
    "home.number": ["pass", {"mask": "bucket", "edges": [0, 5]}, {"mask": "generalise", "to": "round", "step": 10}],
    "members[].score": ["pass", {"mask": "generalise", "to": "grid", "step": 0.5}],
}
WHOLE = ["home", "home.owner", "members", "members[]", "members[].phones", "contacts[].places", "lists", "lists[]"]
KEY_USES = ["pass", "pseudonym"]

STRINGS = st.sampled_from(["", "a", "aa", "张三", "欧阳修文", "b|", "😀"])
SCALARS = {"string": STRINGS, "int": st.integers(-20, 20), "double": st.floats(-9, 9)}


def values(avro: AvroType) -> st.SearchStrategy[Any]:
    """Plain values of a type, nulls and empty lists among them."""
    if is_nullable(avro):
        return st.none() | values(without_null(avro))
    if isinstance(avro, str):
        return SCALARS[avro]
    assert isinstance(avro, dict)
    if avro["type"] == "record":
        return st.fixed_dictionaries({f["name"]: values(f["type"]) for f in avro["fields"]})
    if avro["type"] == "array":
        return st.lists(values(avro["items"]), max_size=3)
    return st.dictionaries(st.sampled_from(["", "k", "贵"]), values(avro["values"]), max_size=2)


@st.composite
def grants(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a grant that addresses something within some field."""
    uses: dict[str, Any] = {"id": draw(st.sampled_from(["pass", "pseudonym", "null"]))}
    whole = draw(st.lists(st.sampled_from(WHOLE), max_size=2, unique=True))
    for path in whole:
        if not any(p != path and (parse_path(p) == parse_path(path)[: len(parse_path(p))]) for p in whole):
            uses[path] = "pass"
    taken = [parse_path(p) for p in uses]
    for path in draw(st.lists(st.sampled_from([*TEXTS, *NUMBERS]), min_size=1, unique=True)):
        parsed = parse_path(path)
        if not any(parsed[: len(t)] == t for t in taken):
            uses[path] = draw(st.sampled_from(NUMBERS.get(path, TEXT_USES)))
    if any(path.startswith("contacts[]") for path in uses):
        uses["contacts{}"] = draw(st.sampled_from(KEY_USES))
    return uses


def compiled(uses: dict[str, Any], **more: Any) -> View:
    return compile_view(CONTRACT, parse_grant(grant_document(fields=uses, **more)), "g")


SIDES = {"c": (False, True), "u": (True, True), "d": (True, False)}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Any, Any]]:
    """Operations with the row before and after, where there is one."""
    row = st.fixed_dictionaries({f["name"]: values(f["type"]) for f in FIELDS[1:]})
    ops = draw(st.lists(st.sampled_from(list(SIDES)), min_size=1, max_size=4))
    return [(op, draw(row) if SIDES[op][0] else None, draw(row) if SIDES[op][1] else None) for op in ops]


def batch(history: list[tuple[str, Any, Any]]) -> pa.RecordBatch:
    """Events of as many rows."""
    keyed = [
        (op, *(None if side is None else side | {"id": f"row {n}"} for side in sides))
        for n, (op, *sides) in enumerate(history)
    ]
    given: dict[str, list[Any]] = {
        "op": [op for op, _, _ in keyed],
        "key": [{"id": f"row {n}"} for n in range(len(keyed))],
        "before": [before for _, before, _ in keyed],
        "after": [after for _, _, after in keyed],
        "event_id": [f"e{n}" for n in range(len(keyed))],
    }
    columns = []
    for field in LAYOUT:
        known = given.get(field.name)
        columns.append(pa.nulls(len(keyed), field.type) if known is None else column(known, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema([f.with_nullable(True) for f in LAYOUT]))


def told(released: Released, view: View) -> Any:
    """All a subscriber can observe, as bytes."""
    written = codec_for(view.schema, 1).encode(released.events)
    return written, released.kafka_keys.to_pylist(), released.outcome.tolist(), released.failed


Uses = Mapping[Path, Any]


def within(uses: Uses, step: str) -> dict[Path, Any]:
    return {path[1:]: use for path, use in uses.items() if path and path[0] == step}


def redrawn(draw: st.DrawFn, avro: AvroType, value: Any, uses: Uses) -> Any:
    """The value with everything drawn anew that no use names; what is named and how much there is stays."""
    if () in uses:
        return value if uses[()] != "drop" else draw(values(avro))
    if not uses or all(use == "drop" for use in uses.values()):
        return draw(values(avro))
    if value is None:
        return None
    avro = without_null(avro)
    assert isinstance(avro, dict)
    if avro["type"] == "record":
        return {f["name"]: redrawn(draw, f["type"], value[f["name"]], within(uses, f["name"])) for f in avro["fields"]}
    if avro["type"] == "array":
        return [redrawn(draw, avro["items"], item, within(uses, "[]")) for item in value]
    return {k: redrawn(draw, avro["values"], x, within(uses, "[]")) for k, x in value.items()}


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[str, Any], pa.RecordBatch, pa.RecordBatch]:
    """A grant, and two batches of events that differ only in what it does not name."""
    uses, history = draw(grants()), draw(histories())
    named = {parse_path(path): use for path, use in uses.items()}

    def other(row: Any) -> Any:
        if row is None:
            return None
        return {f["name"]: redrawn(draw, f["type"], row[f["name"]], within(named, f["name"])) for f in FIELDS[1:]}

    hidden = [(op, other(before), other(after)) for op, before, after in history]
    return uses, batch(history), batch(hidden)


@QUIET
@given(world=worlds(), before=st.booleans())
def test_a_member_no_grant_names_moves_no_byte_of_what_is_released(world: Any, before: bool) -> None:
    uses, seen, hidden = world
    view = compiled(uses, before=before)
    released, other = (evaluate(view, b, keys=KEYS, at_ms=AT) for b in (seen, hidden))
    assert told(released, view) == told(other, view)
    assert not released.failed


def expected(avro: AvroType, value: Any, leaves: Mapping[Path, Mask], row_key: str) -> Any:
    """What the leaves' masks make of a value, by walking it as Python has it."""
    if () in leaves:
        mask = leaves[()]
        return None if value is None and not mask.hides_null else mask.row(value, KEYS, row_key)
    if value is None:
        return None
    avro = without_null(avro)
    assert isinstance(avro, dict)
    if primitive(avro) == "record":
        parts = {f["name"]: within(leaves, f["name"]) for f in avro["fields"]}
        types = {f["name"]: f["type"] for f in avro["fields"]}
        return {n: expected(types[n], value[n], part, row_key) for n, part in parts.items() if part}
    if primitive(avro) == "array":
        return [expected(avro["items"], item, within(leaves, "[]"), row_key) for item in value]
    keys, items = within(leaves, "{}"), within(leaves, "[]")
    return {expected("string", k, keys, row_key): expected(avro["values"], x, items, row_key) for k, x in value.items()}


@QUIET
@given(uses=grants(), history=histories())
def test_every_value_addressed_is_released_masked_at_its_place_with_its_nulls_and_lengths(
    uses: dict[str, Any], history: Any
) -> None:
    view = compiled(uses)
    leaves = leaf_masks(Granted(CONTRACT, parse_grant(grant_document(fields=uses)), "g"))
    released = evaluate(view, batch(history), keys=KEYS, at_ms=AT)
    assert not released.failed
    for event, source in zip(rows(released.events), released.source.tolist(), strict=True):
        row = history[source][2]
        if row is None:
            assert event["after"] is None
            continue
        row = row | {"id": f"row {source}"}
        row_key = key_text([row["id"]])
        by_field = {f["name"]: within(leaves, str(f["name"])) for f in FIELDS}
        types = {f["name"]: f["type"] for f in FIELDS}
        assert event["after"] == {n: expected(types[n], row[n], part, row_key) for n, part in by_field.items() if part}


@QUIET
@given(uses=grants(), history=histories(), cut=st.integers(0, 4), before=st.booleans())
def test_a_slice_releases_what_its_rows_release_alone(
    uses: dict[str, Any], history: Any, cut: int, before: bool
) -> None:
    view, whole = compiled(uses, before=before), batch(history)
    parts = [told(evaluate(view, b, keys=KEYS, at_ms=AT), view) for b in (whole.slice(0, cut), whole.slice(cut))]
    assert told(evaluate(view, whole, keys=KEYS, at_ms=AT), view) == tuple(a + b for a, b in zip(*parts, strict=True))


@QUIET
@given(uses=grants(), history=histories(), before=st.booleans())
def test_both_codecs_read_and_write_what_makes_the_same_bytes(uses: dict[str, Any], history: Any, before: bool) -> None:
    columnar, by_row = codec_for(EVENTS, 1), RowCodec(EVENTS, 1)
    assert isinstance(columnar, ColumnCodec)
    wire = by_row.encode(_whole(batch(history)))
    assert columnar.encode(_whole(batch(history))) == wire
    view = compiled(uses, before=before)
    writers = (codec_for(view.schema, 7), RowCodec(view.schema, 7))
    assert isinstance(writers[0], ColumnCodec)
    written = []
    for reader in (columnar, by_row):
        decoded = reader.decode(wire)
        assert not decoded.bad
        released = evaluate(view, decoded.batch, keys=KEYS, at_ms=AT)
        written += [(w.encode(released.events), released.kafka_keys.to_pylist()) for w in writers]
    assert all(one == written[0] for one in written)


_EMPTY = {
    t: pa.scalar(v).cast(t) for v, types in (("", [pa.string()]), (0, [pa.int64(), pa.timestamp("ms")])) for t in types
}


def _whole(events: pa.RecordBatch) -> pa.RecordBatch:
    """The events with what only the wire carries."""
    columns = []
    for field, there in zip(LAYOUT, events.columns, strict=True):
        absent = there.null_count and not field.nullable
        columns.append(pa.repeat(_EMPTY[field.type], len(events)) if absent else there)
    return pa.RecordBatch.from_arrays(columns, schema=LAYOUT)


@pytest.mark.parametrize("path", ["members[].score", "contacts[].note"])
def test_a_value_refused_within_a_list_withholds_its_event_and_no_other(path: str) -> None:
    def row(score: float, n: int) -> dict[str, Any]:
        member = {"id_no": None, "name": "a", "score": 1.0, "phones": []}
        people = [None, member, member | {"score": score}]
        return {"home": None, "members": people[: n + 1], "contacts": {}, "lists": []}

    good, bad, none = row(1.0, 2), row(math.nan, 2), row(math.nan, 1)
    history = [("c", None, good), ("c", None, bad), ("c", None, none), ("u", good, bad), ("d", bad, None)]
    uses = {"id": "pass", "members[].score": {"mask": "generalise", "to": "grid", "step": 0.5}}
    uses |= {"contacts[].note": "pseudonym", "contacts{}": "pass"} if path.startswith("contacts") else {}
    view = compiled(uses)
    released = evaluate(view, batch(history), keys=KEYS, at_ms=AT)
    assert released.outcome.tolist() == [
        Outcome.EMITTED, Outcome.FAILED, Outcome.EMITTED, Outcome.FAILED, Outcome.EMITTED,
    ]  # fmt: skip
    assert released.failed == [(1, Failure.MASK_FAILED), (3, Failure.MASK_FAILED)]
    emitted = [(e["op"], e["key"]["id"]) for e in rows(released.events)]
    assert emitted == [("c", "row 0"), ("c", "row 2"), ("d", "row 3"), ("d", "row 4")]


@pytest.mark.parametrize(
    ("uses", "place"),
    [
        ({}, "fields"),
        ({"id": "drop"}, "fields"),
        ({"home.street": "drop", "id": "drop"}, "fields"),
        ({"members[].id_no": "drop"}, "fields"),
        ({"contacts[].phone": "drop", "contacts{}": "pass"}, "fields"),
        ({"contacts[].phone": "pass", "contacts{}": "drop"}, "fields"),
        ({"lists[][].a": "drop", "lists[][].b": "drop"}, "fields"),
        ({"contacts[].phone": "pass"}, "fields.contacts"),
        ({"contacts{}": "pass"}, "fields.contacts"),
        ({"contacts[].phone": "pass", "contacts{}": {"mask": "partial"}}, "fields.contacts{}"),
        ({"home": "pass", "home.street": "pass"}, "fields.home"),
        ({"members[]": "pass", "members[].id_no": "pseudonym"}, "fields.members[]"),
        ({"home.nosuch": "pass"}, "fields.home.nosuch"),
        ({"home[]": "pass"}, "fields.home[]"),
        ({"members.id_no": "pass"}, "fields.members.id_no"),
        ({"members[]": "pseudonym"}, "fields.members[]"),
    ],
)
def test_a_grant_that_releases_nothing_or_the_same_twice_or_no_place_is_refused(
    uses: dict[str, Any], place: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        compiled(uses)
    assert (refused.value.where or "").split(": ", 1)[1].startswith(place)
