"""Sharing attributes, secrecy markings and the attributes of nested fields are enforced."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import View, compile_view
from tests.schemas.contracts import avro_contract, grant_document

KEY = {"name": "id", "type": "string"}


def member(**attributes: Any) -> dict[str, Any]:
    return {"name": "id_no", "type": "string", **attributes}


def nested(outer: dict[str, Any] | None = None, **inner: Any) -> Contract:
    """A field `home`: a map of arrays of records with one field."""
    record = {"type": "record", "name": "Member", "fields": [member(**inner)]}
    home = {"name": "home", "type": {"type": "map", "values": {"type": "array", "items": record}}, **(outer or {})}
    return parse_contract(avro_contract(fields=[KEY, home]))


def view(contract: Contract, fields: dict[str, Any], **changes: Any) -> View:
    return compile_view(contract, parse_grant(grant_document(fields=fields, **changes)), "g")


INNER = "home[][].id_no"


@pytest.mark.parametrize("use", ["pass", "pseudonym", "null", {"mask": "constant", "value": "x"}])
@pytest.mark.parametrize("audience", ["government", "enterprise", "public"])
def test_nothing_of_a_refused_resource_can_be_granted_whoever_asks_and_however_masked(use: Any, audience: str) -> None:
    refused = parse_contract(avro_contract(resource={"sharing": "refused", "open": True, "basis": "某法第 1 条"}))
    with pytest.raises(ConfigError, match="not shared") as caught:
        view(refused, {"id": use}, audience=audience)
    assert caught.value.where == "g: resource"
    assert "某法第 1 条" in caught.value.what.en
    assert "不予共享" in caught.value.what.zh


@pytest.mark.parametrize("sharing", ["unconditional", "conditional"])
@pytest.mark.parametrize(
    ("open_", "audience", "may"), [(False, "government", True), (False, "public", False), (True, "public", True)]
)
def test_who_is_not_government_gets_only_what_is_open(sharing: str, open_: bool, audience: str, may: bool) -> None:
    contract = parse_contract(avro_contract(resource={"sharing": sharing, "open": open_}))
    if may:
        view(contract, {"id": "pass"}, audience=audience)
    else:
        with pytest.raises(ConfigError, match="not open"):
            view(contract, {"id": "pass"}, audience=audience)


SECRETS = ["secret", "top secret", "机密", "工作秘密", "秘密★10年", "Confidental", "none?", "restricted", ""]


@pytest.mark.parametrize("marking", SECRETS)
def test_a_secret_or_unknown_marking_stops_a_contract_wherever_it_stands(marking: str) -> None:
    record = {"type": "record", "name": "M", "fields": [member(secrecy=marking)]}
    within: list[Any] = [
        record,
        {"type": "array", "items": record},
        {"type": "map", "values": ["null", record]},
        ["null", "string", record],
        {"type": "record", "name": "Outer", "fields": [{"name": "inner", "type": record}]},
    ]
    contracts = [
        avro_contract(resource={"secrecy": marking}),
        avro_contract(fields=[KEY, member(secrecy=marking)]),
        *(avro_contract(fields=[KEY, {"name": "home", "type": type_}]) for type_ in within),
    ]
    for written in contracts:
        with pytest.raises(ConfigError, match="secrets cannot be published"):
            parse_contract(written)


@pytest.mark.parametrize("marking", ["none", "public", "Internal", "非涉密", "公开", "内部"])
def test_what_is_marked_as_no_secret_may_be_published(marking: str) -> None:
    assert nested(secrecy=marking).places[("home", "[]", "[]", "id_no")].secrecy == marking


def test_the_floor_of_a_nested_field_is_enforced_by_path_and_through_everything_around_it() -> None:
    contract = nested(masks=["pseudonym"])
    assert view(contract, {INNER: "pseudonym", "home{}": "pass"}).fields[0].name == "home"
    for fields in ({"home": "pass"}, {INNER: "pass", "home{}": "pass"}, {"home[]": "pass", "home{}": "pass"}):
        with pytest.raises(ConfigError, match="does not permit 'pass' on 'id_no'"):
            view(contract, fields)


def test_a_nested_field_inherits_the_floor_it_does_not_state() -> None:
    contract = nested({"masks": ["pseudonym"]})
    with pytest.raises(ConfigError, match="does not permit"):
        view(contract, {INNER: "pass", "home{}": "pseudonym"})
    view(contract, {INNER: "pseudonym", "home{}": "pseudonym"})


@pytest.mark.parametrize(
    ("outer", "inner", "level", "personal"),
    [
        ({"level": "important", "personal": "sensitive"}, {}, "important", "sensitive"),
        ({"level": "core"}, {"level": "general", "personal": "personal"}, "core", "personal"),
        ({}, {"level": "important"}, "important", "none"),
        ({"personal": "personal"}, {"personal": "sensitive"}, "general", "sensitive"),
    ],
)
def test_what_lies_within_is_never_classified_lower_than_what_it_lies_in(
    outer: dict[str, Any], inner: dict[str, Any], level: str, personal: str
) -> None:
    place = nested(outer, **inner).places[("home", "[]", "[]", "id_no")]
    assert (place.level, place.personal) == (level, personal)


def test_a_member_of_a_record_may_be_filtered_on_only_if_it_or_what_it_lies_in_says_so_or_it_is_passed() -> None:
    def record(outer: dict[str, Any] | None = None, **inner: Any) -> Contract:
        home = {"name": "home", "type": {"type": "record", "name": "M", "fields": [member(**inner)]}, **(outer or {})}
        return parse_contract(avro_contract(fields=[KEY, home]))

    where = "home.id_no = 'x'"
    for hidden in ({"id": "pass"}, {"home.id_no": "pseudonym"}):
        with pytest.raises(ConfigError, match="would reveal it"):
            view(record(), hidden, where=where)
        for filterable in (record(filterable=True), record({"filterable": True})):
            assert view(filterable, hidden, where=where).where is not None
    assert view(record(), {"home": "pass"}, where=where).where is not None
    assert view(record(), {"home.id_no": "pass"}, where=where).where is not None
