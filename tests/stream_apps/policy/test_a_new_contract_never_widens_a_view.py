"""Under a changed contract a grant releases the very bytes it did, or nothing, and the reason is said."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.codec.avro_tree import expand
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from schemas.policy_log import ContractPublished, GrantOpened
from schemas.policy_state import PolicyState
from stream_apps.policy import Suspension, View, compile_view, evaluate, view_in_force
from tests.kit.avro_strategies import values
from tests.schemas.contracts import avro_contract, grant_document
from tests.stream_apps.policy.test_nothing_ungranted_appears import AT, KEYS, SIDES, batch, told

HOME = {
    "type": "record",
    "name": "Home",
    "fields": [{"name": "street", "type": "string"}, {"name": "no", "type": "int"}],
}
V1: list[dict[str, Any]] = [
    {"name": "id", "type": "string"},
    {"name": "flag", "type": ["null", "int"], "filterable": True},
    {"name": "tel", "type": "string", "format": "cn-mobile", "masks": ["pseudonym", "partial"]},
    {"name": "home", "type": HOME},
    {"name": "count", "type": "int"},
    {"name": "born", "type": ["null", {"type": "int", "logicalType": "date"}]},
]
USES: dict[str, list[Any]] = {
    "id": ["pass", "pseudonym"],
    "tel": ["pseudonym", {"mask": "partial", "keep_last": 4}],
    "home": ["pass"],
    "home.street": ["pass", "pseudonym"],
    "count": ["pass", "pseudonym", {"mask": "bucket", "edges": [0]}],
    "born": ["pass", "date-to-year", "null"],
}


def by_name(fields: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next((f for f in fields if f["name"] == name), {})


def add(fields: list[dict[str, Any]]) -> None:
    fields.insert(1, {"name": "added", "type": "string", "default": ""})


def add_within(fields: list[dict[str, Any]]) -> None:
    inner = by_name(fields, "home").get("type", {}).get("fields")
    if inner is not None:
        inner.append({"name": "secret", "type": "string", "default": ""})


def remove(name: str) -> Callable[[list[dict[str, Any]]], None]:
    return lambda fields: fields.__setitem__(slice(None), [f for f in fields if f["name"] != name])


def put(name: str, **attributes: Any) -> Callable[[list[dict[str, Any]]], None]:
    return lambda fields: by_name(fields, name).update(attributes)


CHANGES = [
    add,
    add_within,
    list.reverse,
    *(remove(name) for name in ("flag", "tel", "home", "count")),
    put("tel", masks=None),
    put("tel", masks=["pass", "pseudonym"]),
    put("tel", format=None),
    put("tel", format="cn-id"),
    put("tel", filterable=True, personal="sensitive", concept="phone", level="core"),
    put("flag", filterable=False),
    put("flag", type=["null", "long"]),
    put("count", type="long"),
    put("count", type="string"),
    put("count", format="cn-division"),
    put("count", type=["null", "int"]),
    put("born", type={"type": "int", "logicalType": "date"}),
    put("born", type="string"),
    put("home", masks=["pseudonym"]),
]


def contract(fields: list[dict[str, Any]]) -> Contract:
    return parse_contract(avro_contract(fields=[{k: v for k, v in f.items() if v is not None} for f in fields]))


def opened(first: Contract, document: dict[str, Any], newest: Contract) -> View | Suspension:
    """What is in force of a grant that was opened under one contract and lived to see another."""
    grant = parse_grant(document)
    view = compile_view(first, grant)
    events = [
        ContractPublished(resource=first.id, schema_id=1, contract=first.source, at=0, by="t"),
        GrantOpened(grant=grant, generation=1, topic="t", schema_id=2, fingerprint=view.fingerprint, at=0, by="t"),
        ContractPublished(resource=first.id, schema_id=3, contract=newest.source, at=0, by="t"),
    ]
    state = PolicyState()
    for offset, event in enumerate(events):
        state = state.after(offset, event)
    return view_in_force(state.contracts[first.id].contract, state.grants[grant.id])


def over(base: Any, more: Any) -> Any:
    """`more` with what `base` says of the same names, at any depth."""
    if isinstance(base, dict) and isinstance(more, dict):
        return {name: over(base[name], value) if name in base else value for name, value in more.items()}
    return base


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Contract, Contract, dict[str, Any], pa.RecordBatch, pa.RecordBatch]:
    """Two versions of a contract, a grant on the first, and the same events under both."""
    first, changed = contract(V1), copy.deepcopy(V1)
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3, unique=True)):
        change(changed)
    newest = contract(changed)
    names = draw(st.sets(st.sampled_from(list(USES)), min_size=1))
    uses = {n: draw(st.sampled_from(USES[n])) for n in sorted(names) if n != "home.street" or "home" not in names}
    where = draw(st.sampled_from([None, "flag = 1"]))
    ops = draw(st.lists(st.sampled_from(list(SIDES)), min_size=1, max_size=4))

    def rows(of: Contract) -> Any:
        own = st.fixed_dictionaries({f["name"]: values(f["type"]) for f in expand(of.row_type("Row"))["fields"]})
        return [(draw(own), draw(own)) for _ in ops]

    old, new = rows(first), rows(newest)
    kept = {f.name for f in newest.fields if f.name in first.by_name and _carries(first.by_name[f.name].type, f.type)}
    same = [
        tuple({k: over(o[k], v) if k in kept else v for k, v in n.items()} for o, n in zip(pair, other, strict=True))
        for pair, other in zip(old, new, strict=True)
    ]
    batches = [
        batch(c, codec_for(change_event_schema(c), 1).arrow, ops, pairs) for c, pairs in ((first, old), (newest, same))
    ]
    return first, newest, {"fields": uses, "where": where}, batches[0], batches[1]


def _carries(old: Any, new: Any) -> bool:
    """Whether values of one type are values of the other."""
    if old == new or (isinstance(new, dict) and new.get("name") == "Home"):
        return True
    return (old, new) in (("int", "long"), ("int", ["null", "int"]), (["null", "int"], ["null", "long"]))


@settings(max_examples=300, deadline=None)
@given(world=worlds(), before=st.booleans())
def test_a_view_releases_the_same_bytes_under_a_new_contract_or_is_suspended_with_a_reason(
    world: Any, before: bool
) -> None:
    first, newest, granted, old, new = world
    document = grant_document(before=before, **granted)
    view = opened(first, document, newest)
    if isinstance(view, Suspension):
        assert view.why.en
        assert view.why.zh
        return
    then = compile_view(first, parse_grant(document))
    assert view.fingerprint == then.fingerprint
    assert told(evaluate(view, new, keys=KEYS, at_ms=AT), view.schema) == told(
        evaluate(then, old, keys=KEYS, at_ms=AT), then.schema
    )


@pytest.mark.parametrize(
    ("uses", "change", "word", "names"),
    [
        ({"home": "pass"}, add_within, "other_schema", ""),
        ({"count": "pass"}, remove("count"), "contract_refuses", "'count'"),
        ({"count": "pass"}, put("count", type="long"), "other_schema", ""),
        ({"count": "pseudonym"}, put("count", type="string"), "other_values", "count"),
        ({"tel": "pseudonym"}, put("tel", format="cn-id"), "other_values", "tel"),
        ({"tel": {"mask": "partial", "keep_first": 1}}, put("tel", masks=["drop"]), "contract_refuses", "partial"),
        ({"home.street": "pass"}, remove("home"), "contract_refuses", "home.street"),
    ],
)
def test_what_a_grant_uses_and_the_contract_takes_away_suspends_it_and_is_named(
    uses: dict[str, Any], change: Callable[[list[dict[str, Any]]], None], word: str, names: str
) -> None:
    changed = copy.deepcopy(V1)
    change(changed)
    found = opened(contract(V1), grant_document(fields=uses), contract(changed))
    assert isinstance(found, Suspension)
    assert found.word == word
    assert names in found.why.en
    assert names in found.why.zh


@pytest.mark.parametrize(
    "change", [add, put("tel", masks=None), put("tel", filterable=True), put("count", type="string")]
)
def test_what_a_grant_does_not_use_may_change_under_it(change: Callable[[list[dict[str, Any]]], None]) -> None:
    changed = copy.deepcopy(V1)
    change(changed)
    assert isinstance(opened(contract(V1), grant_document(fields={"tel": "pseudonym"}), contract(changed)), View)


def test_a_field_that_comes_back_as_it_was_resumes_the_view_and_otherwise_does_not() -> None:
    document = grant_document(fields={"tel": "pseudonym"})
    assert isinstance(opened(contract(V1), document, contract(V1)), View)
    again = copy.deepcopy(V1)
    put("tel", format=None)(again)
    assert isinstance(opened(contract(V1), document, contract(again)), Suspension)


def test_a_new_field_is_in_no_view_until_a_grant_names_it() -> None:
    changed = copy.deepcopy(V1)
    add(changed)
    with pytest.raises(ConfigError):
        compile_view(contract(V1), parse_grant(grant_document(fields={"added": "pass"})))
    view = opened(contract(V1), grant_document(fields={"id": "pass"}), contract(changed))
    assert isinstance(view, View)
    assert "added" not in str(view.schema)
