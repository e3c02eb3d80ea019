"""Generated rows are rows of the contract, whatever its types are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.bus.demo.sample import CONTRACTS
from infra.bus.sample_rows import sample_events
from schemas.contract import load_contract, parse_contract
from stream_apps.policy.preview import fault_of
from tests.infra.control.world import contract, contract_source, grant
from tests.kit.avro_strategies import record_schemas


@pytest.mark.parametrize("file", sorted(CONTRACTS.glob("*.avsc")), ids=lambda f: f.stem)
def test_rows_of_the_sample_citys_contracts_have_the_formats_they_ask_for(file: Path) -> None:
    about = load_contract(file)
    lines = list(sample_events(about, grant("x"), 9))
    assert [fault_of(about, line) for line in lines] == [None] * 9
    assert {json.loads(line)["op"] for line in lines} >= {"c"}


@settings(max_examples=60, deadline=None)
@given(schema=record_schemas())
def test_rows_fit_any_contract(schema: dict[str, Any]) -> None:
    source = contract_source("x.r")
    fields = [source["fields"][0], *schema["fields"]]
    about = parse_contract({**source, "fields": fields})
    assert [fault_of(about, line) for line in sample_events(about, grant("x"), 6)] == [None] * 6


def test_the_same_rows_are_generated_every_time() -> None:
    assert list(sample_events(contract("x.r"), grant("x"), 6)) == list(sample_events(contract("x.r"), grant("x"), 6))


@given(word=st.text(st.characters(categories=["L"]), min_size=1, max_size=5))
def test_text_that_the_filter_names_is_among_the_values(word: str) -> None:
    asked = grant("x", where=f"name = '{word}'")
    names = [json.loads(line)["after"]["name"] for line in sample_events(contract("x.r"), asked, 30)]
    assert word in names
    assert set(names) > {word}
