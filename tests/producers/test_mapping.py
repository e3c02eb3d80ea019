"""What is wrong with a mapping is said at its place, before a row is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from producers.adapters.file.conversion import Converter
from producers.adapters.file.mapping import FileMapping, load_mapping
from schemas.contract import parse_contract
from schemas.errors import ConfigError

CONTRACT = parse_contract(
    {
        "type": "record",
        "name": "Row",
        "resource": {"id": "d.rows", "title": {"zh": "行", "en": "Rows"}, "provider": "d", "key": ["code"],
                     "sharing": "conditional"},
        "fields": [{"name": "code", "type": "string"}, {"name": "amount", "type": ["null", "long"], "default": None}],
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "place", "message"),
    [
        ({"code": {"column": "c", "convert": ["trimm"]}}, "columns.code.convert.0", "'trimm' is unknown"),
        ({"code": {"column": "c", "convert": ["trim", {"split": {"by": ","}}]}}, "columns.code.convert.1", "arguments"),
        (
            {"code": {"column": "c", "convert": [{"money_cents": {"unit": "斤"}}]}},
            "columns.code.convert.0",
            "arguments",
        ),
        ({"code": {"column": "c", "convert": [{"lookup": ["a"]}]}}, "columns.code.convert.0", "arguments"),
        ({"code": {"column": "c", "convert": [{"find": []}]}}, "columns.code.convert.0", "arguments"),
        ({"code": {"column": "c", "convert": [{"trim": None, "upper": None}]}}, "columns.code.convert.0", "is a name"),
        ({"code": {"column": "c"}, "amuont": {"column": "a"}}, "columns.amuont", "nearest: 'amount'"),
        ({"amount": {"column": "a"}}, "columns", "required field 'code' has no column"),
        ({"code": {"column": "c", "on_error": None}}, "columns.code.on_error", "may not be null"),
    ],
)
def test_a_wrong_column_is_named_with_its_place(columns: dict[str, Any], place: str, message: str) -> None:
    mapping = FileMapping.model_validate({"adapter": "a", "resource": "d.rows", "mode": "full", "columns": columns})
    with pytest.raises(ConfigError, match=message) as caught:
        Converter(mapping, CONTRACT, "m.yaml")
    assert caught.value.where == f"m.yaml: {place}"


def test_a_mapping_for_another_resource_is_refused() -> None:
    columns = {"code": {"column": "c"}}
    mapping = FileMapping.model_validate({"adapter": "a", "resource": "d.other", "mode": "full", "columns": columns})
    with pytest.raises(ConfigError, match=r"the mapping is for 'd\.other', the contract for 'd\.rows'"):
        Converter(mapping, CONTRACT, "m.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adapter: a\n---\nadapter: b\n", "one document"),
        ("", "one document|mapping"),
        ("adapter: a\nresource: d.rows\nmode: fulll\ncolumns: {code: {column: c}}\n", "mode"),
        ("adapter: a\nresource: d.rows\nmode: full\ncolumn: {}\ncolumns: {code: {column: c}}\n", "column"),
        ("adapter: a\nadapter: b\n", "adapter"),
    ],
)
def test_a_mapping_file_that_is_none_is_one_clear_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_mapping(path)
    assert str(path) in str(caught.value)
