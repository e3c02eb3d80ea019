"""bus apply takes the register's documents from files, together with contracts and grants, or none of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from infra.control import Registered, apply_files
from infra.control.documents import read_documents
from infra.control.register.log import opened
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.validation import parse_bulk_yaml, parse_yaml
from tests.conftest import Cluster
from tests.infra.control.world import contract_source

_PLAIN = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text("企业 :-#'\"a1{}[],&*!|>%@`\n", max_size=12)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text("企ab1", min_size=1), inner, max_size=3)
    ),
    max_leaves=10,
)


@pytest.fixture
def settings(cluster: Cluster, tmp_path: Path) -> Settings:
    return replace(cluster, home=tmp_path / "home").settings


def documents(unique: str, **more: Any) -> list[dict[str, Any]]:
    provider = contract_source(f"{unique}.r")["resource"]["provider"]
    facts = {"class": "base", "domain": "法人", "conditions": "x", "update": "daily", "code": "1", "title": "企业登记"}
    return [
        {"kind": "Department", "id": provider, "title": "部门"},
        {"kind": "Unit", "id": f"{unique}.u", "title": "单位", "department": provider},
        {"kind": "System", "id": f"{unique}.s", "title": "系统", "department": provider, "unit": f"{unique}.u"},
        {"kind": "CatalogueEntry", "id": f"{unique}.r", "provider": provider, "sharing": "conditional"} | facts | more,
    ]


def put(folder: Path, *found: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "register.yaml").write_text(yaml.safe_dump_all(found, allow_unicode=True), encoding="utf-8")
    return folder


def actions(settings: Settings, folder: Path, dry_run: bool = False) -> list[tuple[str, ...]]:
    found = apply_files(settings, [folder], dry_run=dry_run)
    return [(a.fact.action, *a.fact.changed) for a in found if isinstance(a.fact, Registered)]


def test_files_are_put_once_and_a_dry_run_says_what_changes_without_writing(
    settings: Settings, tmp_path: Path, unique: str
) -> None:
    folder = put(tmp_path / "city", *documents(unique)[1:])
    department = {"kind": "Department", "id": documents(unique)[0]["id"], "title": "部门"}
    (folder / "department.yaml").write_text(yaml.safe_dump(department, allow_unicode=True), encoding="utf-8")
    assert actions(settings, folder, dry_run=True)[1:] == [("created",)] * 3
    assert actions(settings, folder)[1:] == [("created",)] * 3
    assert actions(settings, folder) == [("unchanged",)] * 4
    put(folder, *documents(unique, title="新名")[1:])
    for _ in range(2):
        assert actions(settings, folder, dry_run=True)[-1] == ("changed", "title")
    assert actions(settings, folder)[-1] == ("changed", "title")


def test_an_entry_that_contradicts_a_contract_applied_with_it_is_refused_and_neither_is_written(
    settings: Settings, tmp_path: Path, unique: str
) -> None:
    sharing = contract_source(f"{unique}.r")["resource"]["sharing"]
    other = "unconditional" if sharing != "unconditional" else "conditional"
    folder = put(tmp_path / "city", *documents(unique, sharing=other))
    (folder / "r.avsc").write_text(json.dumps(contract_source(f"{unique}.r")), encoding="utf-8")
    with pytest.raises(ConfigError, match="the contract of"):
        apply_files(settings, [folder])
    with opened(settings) as projection:
        assert f"{unique}.r" not in projection.contracts()
        assert projection.state().entry(f"{unique}.r") is None
    put(folder, *documents(unique, sharing=sharing, basis="x"))
    apply_files(settings, [folder])
    with opened(settings) as projection:
        assert f"{unique}.r" in projection.contracts()
        assert projection.state().entry(f"{unique}.r") is not None


def test_two_entries_of_one_id_that_differ_are_refused_with_both_files(tmp_path: Path, unique: str) -> None:
    put(tmp_path / "a", *documents(unique))
    put(tmp_path / "b", *documents(unique, title="另一个"))
    with pytest.raises(ConfigError, match="is also written in"):
        read_documents([tmp_path / "a", tmp_path / "b"])


@pytest.mark.parametrize(
    "text",
    [
        "kind: Department\nid: &a x\ntitle: *a\n",
        "kind: Department\nid: x\nid: y\ntitle: t\n",
        "kind: Department\nid: !!str x\ntitle: t\n",
        "kind: Department\nid: x\ntitle: [1, 2\n",
        "kind: Department\nid: x\ntitle: t\nlevel: 12:30\n",
    ],
)
def test_what_is_refused_in_a_grant_is_refused_in_the_register_with_line_and_column(tmp_path: Path, text: str) -> None:
    path = tmp_path / "d.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as slow:
        parse_yaml(text, str(path))
    with pytest.raises(ConfigError) as caught:
        read_documents([path])
    assert (caught.value.where, caught.value.what) == (slow.value.where, slow.value.what)


@given(st.lists(_PLAIN, min_size=1, max_size=3), st.booleans())
def test_the_fast_parser_gives_what_the_other_gives_or_leaves_it_to_it(values: list[Any], flow: bool) -> None:
    text = yaml.safe_dump_all(values, allow_unicode=True, default_flow_style=flow, explicit_start=True)
    assert parse_bulk_yaml(text) in (None, parse_yaml(text, "x"))


def test_the_fast_parser_is_there() -> None:
    assert parse_bulk_yaml("a: [1, 企业]") == [{"a": [1, "企业"]}]
