"""What grants of one subscriber show together is judged as one grant that showed all of it would be."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import Grant, parse_grant
from stream_apps.policy.mask_tree import Granted, leaf_masks
from stream_apps.policy.masks.mask import Mask
from stream_apps.policy.masks.partial import Partial
from stream_apps.policy.masks.reveal import Reveal
from stream_apps.policy.together import Held, check_together, conflicts
from tests.schemas.contracts import avro_contract, grant_document

HEAD, TAIL = {"mask": "partial", "keep_first": 6}, {"mask": "partial", "keep_last": 4}
BOTH = {"mask": "partial", "keep_first": 6, "keep_last": 4}
SHORT = [{"mask": "partial", "keep_first": {"max": 6}}, "pseudonym", "null", "truncate"]
"""A floor that says nothing of keep_last beside keep_first, so permits both."""
ONE_END = [{"mask": "partial", "keep_first": {"max": 0}}, {"mask": "partial", "keep_last": {"max": 0}}]


def contract(name: str, masks: Any, avro: Any = "string", **attributes: Any) -> Contract:
    floor = {} if masks is None else {"masks": masks}
    fields = [{"name": "key", "type": "string"}, {"name": "value", "type": avro, **floor, **attributes}]
    return parse_contract(avro_contract(fields=fields, resource={"id": f"scjg.{name}", "key": ["key"]}))


def held(name: str, of: Contract, use: Any, field: str = "value", **changes: Any) -> Held:
    document = grant_document(id=f"shuiwu.{name}", resource=of.id, fields={field: use}, **changes)
    return Held(parse_grant(document), of, f"{name}.yaml")


def check(*grants: Held) -> None:
    check_together(grants, {grants[-1].grant.id}, {})


def refused(*grants: Held) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        check(*grants)
    return caught.value


def test_first_digits_here_and_last_digits_there_are_refused_where_a_contract_permits_only_one_end() -> None:
    ids, taxes = contract("ids", ONE_END, format="cn-id"), contract("taxes", ONE_END, format="cn-id")
    error = refused(held("a", ids, HEAD), held("b", taxes, TAIL))
    assert error.where == "b.yaml: fields.value"
    for words in (error.what.en, error.what.zh):
        assert all(part in words for part in ("shuiwu.a", "scjg.ids: value", "6", "4", "cn-id"))
    assert error.hint is not None
    assert "same mask" in error.hint.en
    assert "相同" in error.hint.zh


def test_two_grants_on_one_resource_are_judged_together_also_without_a_format() -> None:
    ids = contract("ids", ONE_END)
    assert "scjg.ids:value" in refused(held("a", ids, HEAD), held("b", ids, TAIL)).what.en
    check(held("a", ids, HEAD), held("b", contract("taxes", ONE_END), TAIL))


def test_fields_of_one_declared_concept_and_subject_hold_the_same_value() -> None:
    def about(name: str) -> Contract:
        fields = [
            {"name": "key", "type": "string"},
            {"name": name, "type": "string", "masks": ONE_END, "concept": "phone"},
        ]
        return parse_contract(
            avro_contract(fields=fields, resource={"id": f"scjg.{name}", "key": ["key"], "subject": "person"})
        )

    assert (
        "person/phone"
        in refused(held("a", about("tel"), HEAD, "tel"), held("b", about("mobile"), TAIL, "mobile")).what.en
    )


@pytest.mark.parametrize(
    ("floors", "permitted"),
    [
        ((None, None), True),
        ((None, ONE_END), False),
        ((ONE_END, None), False),
        ((None, ["pass", *ONE_END]), True),
        ((None, SHORT), True),
        ((SHORT, SHORT), True),
        ((SHORT, ONE_END), False),
    ],
)
def test_the_strictest_contract_involved_decides(floors: tuple[Any, Any], permitted: bool) -> None:
    one, two = (contract(f"r{n}", floor, format="cn-id") for n, floor in enumerate(floors))
    pair = held("a", one, HEAD), held("b", two, TAIL)
    if permitted:
        check(*pair)
    else:
        refused(*pair)


@pytest.mark.parametrize("other", ["pseudonym", "null", HEAD, {"mask": "truncate", "length": 3}])
def test_what_adds_nothing_is_not_refused(other: Any) -> None:
    ids = contract("ids", [*ONE_END, "pseudonym", "null", "truncate"])
    check(held("a", ids, HEAD), held("b", ids, other))


def test_beside_a_value_that_is_passed_nothing_more_is_learnt() -> None:
    strict, free = contract("ids", ONE_END, format="cn-id"), contract("free", None, format="cn-id")
    check(held("a", strict, HEAD), held("b", free, "pass"), held("c", strict, TAIL))


NESTED: Any = {
    "type": "array",
    "items": {
        "type": "record",
        "name": "Member",
        "fields": [{"name": "id_no", "type": "string", "format": "cn-id", "masks": ONE_END}],
    },
}


def test_values_within_records_and_arrays_are_judged_with_those_of_other_resources() -> None:
    homes = contract("homes", None, NESTED)
    error = refused(held("a", homes, HEAD, "value[].id_no"), held("b", contract("ids", ONE_END, format="cn-id"), TAIL))
    assert "scjg.homes: value[].id_no" in error.what.en


def test_a_record_that_is_passed_shows_everything_within_it() -> None:
    open_ = {**NESTED["items"], "fields": [{"name": "id_no", "type": "string", "format": "cn-id"}]}
    homes, ids = contract("homes", None, open_), contract("ids", ONE_END, format="cn-id")
    assert {s.path for s in held("a", homes, "pass").shown} == {("value",), ("value", "id_no")}
    check(held("a", homes, "pass"), held("b", ids, HEAD), held("c", ids, TAIL))


@pytest.mark.parametrize(
    ("edges", "floor", "permitted"),
    [
        ([[0, 100], [0, 50, 100]], [{"mask": "bucket", "edges": {"one_of": [[0, 100], [0, 50, 100]]}}], True),
        ([[0, 100], [50]], [{"mask": "bucket", "edges": {"one_of": [[0, 100], [50]]}}], False),
        ([[0, 100], [50]], ["bucket"], True),
        ([[0, 100], [50]], None, True),
    ],
)
def test_divisions_that_cross_are_refused_where_the_contract_bounds_them(
    edges: Any, floor: Any, permitted: bool
) -> None:
    cents = contract("cents", floor, "long")
    pair = [held(str(n), cents, {"mask": "bucket", "edges": e}) for n, e in enumerate(edges)]
    masks = {tuple(e): Reveal("cell", edges=tuple(map(float, e))) for e in edges}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream_apps.policy.masks.bucket.Bucket.reveals", lambda self: masks[tuple(self.edges)])
        if permitted:
            check(*pair)
        else:
            refused(*pair)


def mask_of_value(of: Held) -> Mask:
    return leaf_masks(Granted(of.contract, of.grant, "g"))[("value",)]


YEAR, MONTH = Reveal("cell", grain="year"), Reveal("cell", grain="month", coarser=frozenset({"year"}))
WEEKDAY, PART = Reveal("cell", grain="weekday"), Reveal("part", grain="name")


@pytest.mark.parametrize(
    ("reveals", "floor", "permitted"),
    [
        ((YEAR, MONTH), ONE_END, True),
        ((MONTH, WEEKDAY), ONE_END, False),
        ((MONTH, WEEKDAY), None, True),
        ((PART, PART), ONE_END, True),
        ((PART, Reveal("ends", head=1)), ONE_END, False),
        ((PART, Reveal("part", grain="other")), ONE_END, False),
        ((PART, YEAR), ["partial", "pass"], True),
        ((PART, YEAR), ["partial"], False),
        ((Reveal("ends", head=1), YEAR), ["partial"], False),
    ],
)
def test_only_what_a_mask_says_it_reveals_counts(reveals: tuple[Reveal, Reveal], floor: Any, permitted: bool) -> None:
    ids = contract("ids", floor)
    pair = [
        held(str(n), ids, {"mask": "partial", "keep_first": n} if floor != ONE_END else [HEAD, TAIL][n]) for n in (0, 1)
    ]
    with pytest.MonkeyPatch.context() as patch:
        order = dict(zip(map(mask_of_value, pair), reveals, strict=True))
        patch.setattr(Partial, "reveals", lambda self: order[self])
        if permitted:
            check(*pair)
        else:
            refused(*pair)


def test_a_conflict_that_was_there_before_stops_no_other_grant() -> None:
    ids, things = contract("ids", ONE_END), contract("things", None)
    old = held("a", ids, HEAD), held("b", ids, TAIL)
    check(*old, held("c", things, "pass"))
    assert len(list(conflicts(old))) == 1


def test_a_contract_that_no_longer_permits_what_grants_show_together_is_refused_at_its_file() -> None:
    ids = contract("ids", ONE_END)
    with pytest.raises(ConfigError) as caught:
        check_together([held("a", ids, HEAD), held("b", ids, TAIL)], set(), {"scjg.ids": "ids.avsc"})
    assert caught.value.where == "ids.avsc"
    assert "shuiwu.a" in caught.value.what.en
    assert "shuiwu.b" in caught.value.what.en


def test_a_grant_alone_may_show_what_its_contract_permits() -> None:
    grant: Grant = held("a", contract("ids", [BOTH | {"keep_first": {"max": 6}, "keep_last": {"max": 4}}]), BOTH).grant
    check(Held(grant, contract("ids", SHORT)))
