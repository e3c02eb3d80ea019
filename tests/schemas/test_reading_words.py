"""Why a text cannot be read is said in Chinese too: each complaint is provoked for real and read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.grant import load_grants, parse_grant
from schemas.validation import parse_json, parse_yaml, read_text
from stream_apps.policy import compile_view
from tests.schemas.contracts import avro_contract, grant_document

HAN = re.compile("[一-鿿]")
ENGLISH = re.compile(r"[a-z]{3,} [a-z]{2,}")
"""Two words in a row: no key, no name of a mask."""


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c",
        "a: {b: 1",
        "a: [1, 2\nb: 1",
        "a: {b: 1 c: 2}\n",
        "a:\n\t- b",
        "a: @b",
        "a: 'b",
        "a: 1\n  b: 2\n c: 3",
        "a: 1\nb",
        "- 1\na: 2",
        "a: &x 1",
        "a: !x 1",
        "? [a]\n: 1",
        "a: 1\na: 2",
        "a: 2026-13-01",
        "a: 12:30:45",
        "a: {b: ]}",
        "[" * 3000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_wrong_with_yaml_is_said_in_chinese(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "g.yaml")
    assert not ENGLISH.search(caught.value.what.zh.partition("YAML:")[2])
    assert HAN.search(caught.value.what.zh.partition("YAML:")[2])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a" 1}',
        '{"a": 1 "b": 2}',
        '{"a": 1,}',
        "[1,]",
        "{} {}",
        '"x',
        '"\n"',
        '"\\x"',
        "9" * 5000,
        "[" * 100_000,
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_wrong_with_json_is_said_in_chinese(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_json(text, "c.avsc")
    assert not ENGLISH.search(caught.value.what.zh.partition("JSON:")[2])
    assert HAN.search(caught.value.what.zh.partition("JSON:")[2])


def test_what_the_system_refuses_is_said_in_chinese(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(ConfigError) as caught:
            read_text(path)
        assert not ENGLISH.search(caught.value.what.zh)


def test_a_date_that_is_none_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(yaml.safe_dump(grant_document()).replace("2026-11-01", "2026-13-01").replace("'", ""))
    with pytest.raises(ConfigError, match="no such date") as caught:
        load_grants(path)
    assert re.fullmatch(re.escape(str(path)) + r":\d+:\d+", caught.value.where or "")


@pytest.mark.parametrize(
    ("use", "parameters"),
    [
        ({"mask": "truncate"}, "length"),
        ({"mask": "truncate", "lenght": 3}, "length"),
        ({"mask": "pass", "x": 3}, "none"),
    ],
)
def test_a_wrong_parameter_of_a_mask_is_told_with_those_it_takes(use: dict[str, Any], parameters: str) -> None:
    contract = parse_contract(avro_contract())
    with pytest.raises(ConfigError) as caught:
        compile_view(contract, parse_grant(grant_document(fields={"name": use})), "g.yaml")
    assert caught.value.hint is not None
    assert caught.value.hint.en == f"Its parameters: {parameters}."
    assert HAN.search(caught.value.hint.zh)
