"""What a contract may say, and how it is told what it may not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.contract import load_contract, parse_contract
from schemas.errors import ConfigError
from tests.schemas.contracts import avro_contract

ID = {"name": "id", "type": "string"}


def field(name: str, avro: Any, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": avro, **attributes}


def refused(**changes: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_contract(avro_contract(**changes), "c.avsc")
    return caught.value


def test_the_attributes_of_the_data_standard_are_read() -> None:
    masks = ["drop", {"mask": "partial", "keep_first": {"max": 1}}]
    name = field(
        "name", ["null", "string"], doc="名称", personal="personal", level="important", masks=masks, default=None
    )
    contract = parse_contract(avro_contract(fields=[ID, name]))
    assert (contract.id, contract.key, contract.resource.sharing) == ("scjg.things", ("id",), "conditional")
    read = contract.by_name["name"]
    assert (read.personal, read.level, read.has_default, read.default) == ("personal", "important", True, None)
    assert [m.mask for m in read.masks or ()] == ["drop", "partial"]
    assert (read.masks or ())[1].bounds["keep_first"].max == 1
    assert contract.by_name["id"].masks is None


def test_the_source_is_kept_as_it_was_written() -> None:
    written = avro_contract()
    assert parse_contract(written).source == written


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ([ID, ID], "c.avsc: fields.1.name", "appears twice"),
        ([ID, field("_key", "string")], "c.avsc: fields.1.name", "reserved"),
        ([ID, field("名称", "string")], "c.avsc: fields.1.name", "not an Avro name"),
        ([ID, field("a", "text")], "c.avsc: fields.a", "'text' is unknown"),
        ([ID, {"name": "a"}], "c.avsc: fields.1.type", "required"),
        ([ID, field("a", "int", colour=1)], "c.avsc: fields.1.colour", "not permitted"),
        ([ID, 5], "c.avsc: fields.1", "an object"),
        ([ID, field("a", {"type": "array", "items": "null"})], "c.avsc: fields.a", "no bytes"),
        ([ID, field("a", {"type": "record", "name": "X"})], "c.avsc: fields.a", "list of fields"),
        ([ID, field("a", {"type": "enum", "name": "X", "symbols": ["好"]})], "c.avsc", "not valid Avro"),
        ([ID, field("a", {"type": "fixed", "name": "X", "size": 10**9})], "c.avsc: fields.a", "size"),
        ([ID, field("a", "int", default="x")], "c.avsc", "not valid Avro"),
        ([field("id", ["null", "string"])], "c.avsc: fields.id", "never null"),
        ([field("id", "double")], "c.avsc: fields.id", "key field"),
        ([field("other", "string")], "c.avsc: resource.key", "not a field"),
        ([], "c.avsc: fields", "at least 1"),
    ],
)
def test_a_wrong_field_is_named_with_file_place_and_reason(fields: list[Any], place: str, words: str) -> None:
    error = refused(fields=fields)
    assert error.where == place
    assert words in error.what.en


@pytest.mark.parametrize(
    ("resource", "words"),
    [
        ({"key": []}, "at least 1"),
        ({"key": ["id", "id"]}, "named twice"),
        ({"sharing": "maybe"}, "unconditional"),
        ({"sharing": "refused"}, "states the law"),
        ({"secrecy": "秘密"}, "secrets"),
        ({"id": "Scjg"}, "lower-case"),
        ({"colour": "red"}, "not permitted"),
    ],
)
def test_a_wrong_attribute_of_the_resource_is_refused(resource: dict[str, Any], words: str) -> None:
    error = refused(resource=resource)
    assert (error.where or "").startswith("c.avsc: resource")
    assert words in error.what.en


@pytest.mark.parametrize("whole", [[], "x", {}, {"type": "record"}, {"type": "record", "fields": 5}])
def test_what_is_no_record_is_no_contract(whole: Any) -> None:
    with pytest.raises(ConfigError, match="Avro record with fields"):
        parse_contract(whole)


def test_full_width_punctuation_in_a_name_is_shown_with_its_correction() -> None:
    error = refused(fields=[ID, field("name，", "string")])
    assert error.hint is not None
    assert "， was typed; write ,." in error.hint.en


def test_a_file_is_named_in_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "c.avsc"
    path.write_text('{"type": "record",\n "type": 5}', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"the key 'type' appears twice") as caught:
        load_contract(path)
    assert str(path) in str(caught.value)


def test_every_contract_that_is_accepted_has_a_codec() -> None:
    for avro in ("bytes", "long", {"type": "map", "values": ["null", "double"]}, ["null", "int", "string"]):
        contract = parse_contract(avro_contract(fields=[ID, field("a", avro)]))
        assert codec_for(change_event_schema(contract), 1).kind in ("columns", "rows")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["record", "array", "enum", "x", "null", "string"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "name", "fields", "items", "symbols", "size", "values"]), inner)
    ),
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_into_a_contract_it_is_refused_in_words_or_accepted(data: st.DataObject) -> None:
    contract = json.loads(json.dumps(avro_contract(fields=[ID, field("a", "int", masks=["drop"], rules={})])))
    place = data.draw(st.sampled_from([contract, contract["resource"], contract["fields"][1]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON)
    try:
        parse_contract(contract)
    except ConfigError as error:
        assert error.where


def test_a_type_wrapped_in_a_type_is_what_is_inside() -> None:
    date = {"type": "int", "logicalType": "date"}
    schema = avro_contract()
    schema["fields"].append({"name": "born", "type": {"type": date}})
    schema["fields"].append({"name": "died", "type": ["null", {"type": date}], "default": None})

    contract = parse_contract(schema)

    assert contract.by_name["born"].type == date
    assert contract.by_name["died"].type == ["null", date]


def test_a_key_field_that_is_a_union_of_one_type_is_refused() -> None:
    schema = avro_contract()
    schema["fields"][0]["type"] = ["string"]

    with pytest.raises(ConfigError, match="key field"):
        parse_contract(schema)
