"""`encrypt` releases text that only the seal key opens, as what it was, and that tells nothing else."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.avro_types import AvroType
from schemas.codec import arrow_type
from schemas.contract import parse_contract
from schemas.errors import ConfigError, PermanentError
from schemas.grant import parse_grant
from schemas.key_ring import KeyRing, MasterSecret, Suite
from schemas.sealed import SealKey, open_value, parse_seal_key
from schemas.typed_text import kind_of
from stream_apps.policy import ViewKeys, compile_view, derive_keys
from stream_apps.policy.masks import MASKS
from stream_apps.policy.masks.encrypt import Sealed
from tests.schemas.contracts import avro_contract, grant_document

SUITES: list[Suite] = ["sha256", "sm3"]
GRANT = "shuiwu.things.2026-001"


def keys(suite: Suite = "sha256", grant: str = GRANT, version: int = 1) -> ViewKeys:
    return ViewKeys(b"p" * 32, grant, version, suite)


def seal_key(of: ViewKeys) -> SealKey:
    shared = of.seal()
    return SealKey(shared.version, shared.key, shared.suite)


def opened(text: str, of: ViewKeys, path: str = "f", grant: str = GRANT) -> Any:
    key = seal_key(of)
    return open_value(text, grant=grant, path=path, keys={key.id: key})


def mask_for(avro: AvroType, path: str = "f") -> Sealed:
    kind = kind_of(avro)
    assert kind is not None
    return Sealed(path=path, kind=kind)


def logical(primitive: str, name: str, **more: Any) -> dict[str, Any]:
    return {"type": primitive, "logicalType": name, **more}


def money(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    most = 10**precision - 1
    return st.integers(-most, most).map(lambda n: Decimal((n < 0, tuple(map(int, str(abs(n)))), -scale)))


def millis(moment: dt.datetime) -> dt.datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


TIMES = st.times()
VALUES: list[tuple[AvroType, st.SearchStrategy[Any]]] = [
    ("string", st.text(st.characters(codec="utf-8"), max_size=40)),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, st.sampled_from(["A", "B"])),
    (logical("string", "uuid"), st.uuids().map(str)),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1)),
    ("float", st.floats(width=32)),
    ("double", st.floats()),
    ("boolean", st.booleans()),
    ("bytes", st.binary(max_size=40)),
    ({"type": "fixed", "name": "F", "size": 4}, st.binary(min_size=4, max_size=4)),
    (logical("int", "date"), st.dates()),
    (logical("int", "time-millis"), TIMES.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (logical("long", "time-micros"), TIMES),
    (logical("long", "timestamp-millis"), st.datetimes().map(millis)),
    (logical("long", "timestamp-micros"), st.datetimes()),
    (logical("long", "local-timestamp-millis"), st.datetimes().map(millis)),
    (logical("long", "local-timestamp-micros"), st.datetimes()),
    (logical("bytes", "decimal", precision=9, scale=2), money(9, 2)),
    (logical("bytes", "decimal", precision=60, scale=7), money(60, 7)),
]


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize(("avro", "values"), VALUES, ids=str)
@settings(max_examples=25, deadline=None)
@given(data=st.data(), cut=st.integers(0, 2))
def test_every_scalar_comes_back_as_it_was_and_columns_are_what_rows_define(
    suite: Suite, avro: AvroType, values: st.SearchStrategy[Any], data: st.DataObject, cut: int
) -> None:
    rows = data.draw(
        st.lists(st.tuples(st.none() | values, st.text(st.characters(codec="utf-8"), max_size=9)), max_size=6)
    )
    column = pa.array([v for v, _ in rows], arrow_type(avro)).slice(cut)
    row_keys = pa.array([k for _, k in rows], pa.string()).slice(cut)
    mask, own = mask_for(avro), keys(suite)
    masked = mask.columns(column, own, row_keys)
    masked.validate(full=True)
    assert masked.type == pa.string()
    was = column.to_pylist()
    assert masked.to_pylist() == [
        None if v is None else mask.row(v, own, k) for v, k in zip(was, row_keys.to_pylist(), strict=True)
    ]
    back = [None if text is None else opened(text, own) for text in masked.to_pylist()]
    assert [(type(v), repr(v)) for v in back] == [(type(v), repr(v)) for v in was]


@pytest.mark.parametrize("suite", SUITES)
def test_equal_values_of_different_rows_differ_and_one_value_in_one_row_is_the_same_each_time(suite: Suite) -> None:
    mask, own = mask_for("string"), keys(suite)
    column, rows = pa.array(["张三"] * 3), pa.array(["1", "2", "1"])
    one, two, again = mask.columns(column, own, rows).to_pylist()
    assert one != two
    assert one == again
    assert one[:21] == two[:21]  # the mark and the key's id are all they share
    assert one.split(".")[2][:16] != two.split(".")[2][:16]


def test_no_row_key_and_value_run_together_into_anothers() -> None:
    mask, own = mask_for("string"), keys()
    nonces = {mask.row(value, own, row).split(".")[2][:16] for row, value in (("1", "2"), ("1string:", "2"), ("", "2"))}
    assert len(nonces) == 3


@pytest.mark.parametrize("suite", SUITES)
def test_a_value_of_another_grant_field_or_key_or_one_that_was_changed_does_not_open(suite: Suite) -> None:
    own = keys(suite)
    text = mask_for("string").row("520102199001010014", own, "1")
    assert opened(text, own) == "520102199001010014"
    key = seal_key(own)
    by_id = {key.id: key}
    for grant, path in ((GRANT, "g"), ("another.grant", "f"), (GRANT, "f[]")):
        with pytest.raises(PermanentError):
            open_value(text, grant=grant, path=path, keys=by_id)
    with pytest.raises(ConfigError, match="another key"):
        opened(text, keys(suite, grant="another.grant"))
    forged = replace(key, key=bytes(32))
    with pytest.raises(PermanentError):
        open_value(text, grant=GRANT, path="f", keys={key.id: forged})


@pytest.mark.parametrize("suite", SUITES)
@given(at=st.integers(0, 200), by=st.sampled_from("AZaz09-_=.+/x"))
def test_no_character_can_be_changed(suite: Suite, at: int, by: str) -> None:
    own = keys(suite)
    text = mask_for("string").row("520102199001010014", own, "1")
    at %= len(text)
    changed = text[:at] + by + text[at + 1 :]
    if changed != text:
        with pytest.raises((PermanentError, ConfigError)) as refused:
            opened(changed, own)
        assert "520102" not in str(refused.value) and changed not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "张三", "e1", "e1..", "e2.1-0000000000000000.AAAA", "e1.x.AAAA", "e1.1-张三.AAAA"]
)
def test_what_is_no_sealed_value_is_refused_without_being_told(text: str) -> None:
    with pytest.raises((PermanentError, ConfigError)) as refused:
        opened(text, keys())
    assert "张三" not in refused.value.message("zh")


def test_after_a_rotation_the_keys_id_tells_which_key_opens() -> None:
    ring = KeyRing({n: MasterSecret(n, bytes([n]) * 32, suite) for n, suite in ((1, "sha256"), (2, "sm3"))}, 2)
    mask = mask_for("long")
    held = {}
    texts = []
    for version in (1, 2):
        own = derive_keys(ring, "shuiwu", GRANT, version)
        key = seal_key(own)
        held[key.id] = key
        texts.append(mask.row(42, own, "1"))
        assert texts[-1].startswith(f"e1.{version}-")
    assert [open_value(t, grant=GRANT, path="f", keys=held) for t in texts] == [42, 42]


@pytest.mark.parametrize("suite", SUITES)
def test_a_seal_key_survives_its_line_and_a_mistyped_one_is_refused_without_being_told(suite: Suite) -> None:
    key = seal_key(keys(suite))
    assert parse_seal_key(key.line() + "\n") == key
    assert key.key.hex() not in repr(key)
    mistyped = key.line()[:-1] + ("0" if key.line()[-1] != "0" else "1")
    for line in (mistyped, key.line()[1:], key.id, "", f"{key.id}:{'0' * 64}"):
        with pytest.raises(ConfigError) as refused:
            parse_seal_key(line, "seal.keys:1")
        assert key.key.hex()[:8] not in str(refused.value)


def test_the_seal_key_of_a_grant_tells_nothing_of_how_its_nonces_are_made() -> None:
    own = keys()
    assert own.seal_nonces().key not in (own.seal().key, own.view_key().key, seal_key(own).cipher_key)


@pytest.mark.parametrize(
    ("suite", "text"),
    [
        ("sha256", "e1.1-98eec65c3d2b98be._T9x7Ssvt-dtc1MAehFtmSGB9ogeYl20XPqkgh8wp5DQAMgN7uvcUDf5EKrtLy7515RJL4A="),
        ("sm3", "e1.1-9c50ae7092c7b721.jHS6krHmRfrXIvuRDBclsQiY_BGQe4EFsLBFnEvuLtlPWLq2Tn4JaCkGNaOAlJ5ejDo-Qm8="),
    ],
)
def test_the_bytes_on_the_wire_are_pinned(suite: Suite, text: str) -> None:
    assert mask_for("string", "id_no").row("520102199001010014", keys(suite), "520102199001010014") == text


def fields(key_use: Any = "pass", **uses: Any) -> list[Any]:
    contract = parse_contract(
        avro_contract(
            fields=[
                {"name": "id", "type": "string"},
                {"name": "name", "type": ["null", "string"]},
                {"name": "tags", "type": {"type": "map", "values": "string"}},
                {"name": "either", "type": ["null", "string", "long"]},
                {
                    "name": "people",
                    "type": {
                        "type": "array",
                        "items": {"type": "record", "name": "P", "fields": [{"name": "no", "type": "string"}]},
                    },
                },
            ]
        )
    )
    return list(compile_view(contract, parse_grant(grant_document(fields={"id": key_use, **uses})), "g.yaml").fields)


@pytest.mark.parametrize(
    ("uses", "place"),
    [
        ({"key_use": "encrypt"}, "fields.id"),
        ({"tags{}": "encrypt", "tags[]": "pass"}, "fields.tags{}"),
        ({"tags": "encrypt"}, "fields.tags"),
        ({"either": "encrypt"}, "fields.either"),
        ({"name": {"mask": "encrypt", "key": "x"}}, "fields.name.key"),
    ],
)
def test_a_key_and_what_is_no_single_value_are_never_encrypted(uses: dict[str, Any], place: str) -> None:
    with pytest.raises(ConfigError) as refused:
        fields(**uses)
    assert refused.value.where == f"g.yaml: {place}"


def test_values_within_arrays_and_maps_are_sealed_for_their_path() -> None:
    by_name = {f.name: f for f in fields(**{"people[].no": "encrypt", "tags[]": "encrypt", "tags{}": "pass"})}
    own, rows = keys(), pa.array(["a", "b"])
    people = pa.array(
        [[{"no": "1"}, {"no": "2"}], None],
        arrow_type(
            {"type": "array", "items": {"type": "record", "name": "P", "fields": [{"name": "no", "type": "string"}]}}
        ),
    )
    first, second = by_name["people"].mask.columns(people, own, rows).to_pylist()
    assert [opened(p["no"], own, "people[].no") for p in first] == ["1", "2"]
    assert second is None
    tags = pa.array([[("x", "1")], [("x", "1")]], arrow_type({"type": "map", "values": "string"}))
    one, other = (dict(t)["x"] for t in by_name["tags"].mask.columns(tags, own, rows).to_pylist())
    assert one != other
    assert opened(one, own, "tags[]") == opened(other, own, "tags[]") == "1"


def test_encryption_says_that_its_receiver_knows_all_and_that_it_is_salted_and_keyed() -> None:
    mask = mask_for("string")
    assert (mask.reveals().kind, mask.salted, mask.keyed, mask.keeps_keys_apart) == ("all", True, True, False)
    assert MASKS["encrypt"].keeps_keys_apart is False


def test_a_row_without_a_key_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="without a key"):
        mask_for("string").columns(pa.array(["x"]), keys(), pa.array([None], pa.string()))
