"""Every example of the catalogue gives what it says it gives, through a contract, a grant and a view."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
import yaml

from schemas.change_event import change_event_schema
from schemas.codec import arrow_schema, rows
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from schemas.sealed import SealKey, open_value
from stream_apps.policy import PREVIEW_KEY, ViewKeys, compile_view, evaluate
from stream_apps.policy.masks import MASKS, Example
from tests.schemas.contracts import avro_contract, grant_document

AT = 1_793_500_000_000
EXAMPLES = [(name, example) for name, mask in MASKS.items() for example in mask.about.examples]


def released(example: Example) -> Any:
    """What the example's use makes of its value, in the row whose key is `1`."""
    field = {"name": "f", "type": example.avro, "format": example.format}
    contract = parse_contract(avro_contract(fields=[{"name": "id", "type": "string"}, field]))
    use = yaml.safe_load(example.use)
    grant = parse_grant(grant_document(fields={"id": "pass", "f": "null" if use is None else use}))
    row = {"id": "1", "f": example.value}
    event = {"op": "c", "key": {"id": "1"}, "before": None, "after": row}
    layout = pa.schema([f.with_nullable(True) for f in arrow_schema(change_event_schema(contract))])
    batch = pa.RecordBatch.from_pylist([dict.fromkeys(layout.names) | event], schema=layout)
    told = evaluate(compile_view(contract, grant), batch, keys=ViewKeys(PREVIEW_KEY, grant.id), at_ms=AT)
    (after,) = (event["after"] for event in rows(told.events))
    return after["f"]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(EXAMPLES)])
def test_an_example_gives_what_it_says(name: str, example: Example) -> None:
    assert name.replace("_", "-") in example.use.replace("_", "-")
    assert released(example) == example.gives


def test_every_mask_that_gives_anything_has_an_example_and_says_what_each_of_its_parameters_is() -> None:
    assert {name for name, mask in MASKS.items() if not mask.about.examples} == {"drop"}
    for mask in MASKS.values():
        assert {name for name, _ in mask.about.parameters} == set(mask.model_fields)
        for text in (mask.about.does, mask.about.of, *(text for _, text in mask.about.parameters)):
            assert text.en and text.zh and text.en != text.zh


def test_an_example_that_depends_on_more_than_it_shows_says_on_what() -> None:
    for mask in MASKS.values():
        for example in mask.about.examples:
            assert (example.depends is not None) == (mask.name in ("pseudonym", "encrypt"))


def test_the_sealed_example_opens_as_its_value_with_the_previews_seal_key() -> None:
    (example,) = MASKS["encrypt"].about.examples
    grant = "shuiwu.things.2026-001"
    shared = ViewKeys(PREVIEW_KEY, grant).seal()
    key = SealKey(shared.version, shared.key, shared.suite)
    assert open_value(example.gives, grant=grant, path="f", keys={key.id: key}) == example.value
