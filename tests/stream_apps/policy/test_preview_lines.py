"""`bus preview`: one answer per line, exactly what the subscriber would get, and no line stops the others."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from stream_apps.policy import PREVIEW_KEY, ViewKeys, preview
from tests.schemas.contracts import avro_contract, grant_document

CONTRACT = parse_contract(
    avro_contract(
        fields=[
            {"name": "id", "type": "string"},
            {"name": "name", "type": ["null", "string"], "default": None},
            {"name": "district", "type": ["null", "string"], "default": None, "filterable": True},
            {"name": "cents", "type": ["null", "long"], "default": None},
            {"name": "on", "type": ["null", {"type": "int", "logicalType": "date"}], "default": None},
            {"name": "at", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
            {
                "name": "fee",
                "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}],
                "default": None,
            },
        ]
    )
)
FIELDS: dict[str, Any] = {
    "id": "pass",
    "name": {"mask": "partial", "keep_first": 1},
    "cents": {"mask": "bucket", "edges": [0, 10]},
    "on": "pass",
    "at": "pass",
    "fee": "pass",
}
A = {"id": "a", "name": "王伟", "district": "云岩区", "cents": 5, "on": "2020-02-29", "at": 0, "fee": "1.50"}
SHOWN_A = {
    "id": "a",
    "name": "王*",
    "cents": "[0,10)",
    "on": "2020-02-29",
    "at": "1970-01-01T08:00:00+08:00",
    "fee": "1.50",
}


def line(op: str, before: Any, after: Any) -> str:
    return json.dumps({"op": op, "before": before, "after": after})


def run(lines: list[str], **changes: Any) -> list[dict[str, Any]]:
    grant = parse_grant(grant_document(**{"fields": FIELDS, "where": "district = '云岩区'", **changes}))
    return list(preview(CONTRACT, grant, lines, keys=ViewKeys(PREVIEW_KEY, grant.id)))


OUT = {**A, "district": "南明区"}
B = {**A, "id": "b"}


def shown(op: str, key: str, after: Any = None) -> dict[str, Any]:
    return {"op": op, "key": {"id": key}, "before": None, "after": after}


@pytest.mark.parametrize(
    ("given", "emitted", "reason"),
    [
        (line("c", None, A), [shown("c", "a", SHOWN_A)], None),
        (line("r", None, A), [shown("r", "a", SHOWN_A)], None),
        (line("c", None, OUT), [], "filtered"),
        (line("u", A, {**A, "name": "王芳"}), [], "unchanged"),
        (line("u", A, OUT), [shown("d", "a")], None),
        (line("u", OUT, A), [shown("c", "a", SHOWN_A)], None),
        (line("u", A, B), [shown("d", "a"), shown("c", "b", SHOWN_A | {"id": "b"})], None),
        (line("u", None, OUT), [shown("d", "a")], "missing_before"),
        (line("d", A, None), [shown("d", "a")], None),
        (line("d", OUT, None), [], "filtered"),
    ],
)
def test_a_line_shows_what_the_subscriber_gets(given: str, emitted: list[Any], reason: str | None) -> None:
    assert run([given]) == [{"n": 0, "emitted": emitted, "reason": reason}]


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        line("x", None, A),
        line("c", None, None),
        line("c", None, {**A, "cents": "5"}),
        line("c", None, {**A, "cents": 2**63}),
        line("c", None, {**A, "id": None}),
        line("c", None, {**A, "id": "\ud800"}),
        line("c", None, {**A, "on": "2020-02-30"}),
        line("c", None, {**A, "at": 10**18}),
        line("c", None, {**A, "fee": "12345.678"}),
        line("c", None, {**A, "fee": "NaN"}),
        line("c", None, {"name": "x"}),
    ],
)
def test_a_broken_line_is_invalid_and_its_neighbours_are_judged(broken: str) -> None:
    first, second, third = run([line("c", None, A), broken, line("c", None, B)])
    assert [len(first["emitted"]), second["emitted"], len(third["emitted"])] == [1, [], 1]
    assert second["n"] == 1
    assert second["reason"].startswith("invalid: ")
    assert "王伟" not in second["reason"]


def test_a_wrong_type_is_named_with_its_field() -> None:
    (answer,) = run([line("c", None, {**A, "cents": "5"})])
    assert answer["reason"] == "invalid: field cents: expected long"


def test_a_pseudonym_is_the_hmac_of_the_text_under_the_key() -> None:
    (answer,) = run([line("c", None, A)], fields={"id": "pseudonym"})
    key = ViewKeys(PREVIEW_KEY, "any").token("purpose:综合治税", "scjg.things:id").key
    assert answer["emitted"][0]["after"] == {"id": "1-" + hmac.new(key, b"a", hashlib.sha256).hexdigest()[:32]}


def test_before_is_shown_only_if_granted() -> None:
    changed = line("u", A, {**A, "on": "2021-01-01"})
    assert run([changed])[0]["emitted"][0]["before"] is None
    assert run([changed], before=True)[0]["emitted"][0]["before"] == SHOWN_A


def test_a_grant_that_may_not_be_is_refused_before_any_line_is_read() -> None:
    grant = parse_grant(grant_document(fields={"distrct": "pass"}))
    with pytest.raises(ConfigError) as refused:
        preview(CONTRACT, grant, iter([]), keys=ViewKeys(PREVIEW_KEY, grant.id), where="g.yaml")
    assert refused.value.where == "g.yaml: fields.distrct"
    assert "district" in refused.value.message()
