"""Files are read as a whole before anything happens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from infra.control.documents import read_documents
from schemas.errors import ConfigError
from tests.infra.control.world import contract_source, grant_document


def put(folder: Path, name: str, *documents: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(documents[0]) if name.endswith("avsc") else yaml.safe_dump_all(documents)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_folder_gives_its_contracts_and_grants_from_any_depth(tmp_path: Path) -> None:
    put(tmp_path, "a/one.avsc", contract_source("x.r"))
    put(tmp_path, "b/c/many.yaml", grant_document("x"), grant_document("y", resource="x.r"))
    found = read_documents([tmp_path])
    assert [c.id for _, c in found.contracts] == ["x.r"]
    assert [g.id for _, g in found.grants] == ["x.grant", "y.grant"]


def test_two_different_documents_under_one_id_are_refused_with_both_files(tmp_path: Path) -> None:
    one = put(tmp_path, "one.yaml", grant_document("x"))
    two = put(tmp_path, "two.yaml", grant_document("x", purpose="another"))
    with pytest.raises(ConfigError) as caught:
        read_documents([tmp_path])
    assert caught.value.where == str(two)
    assert str(one) in caught.value.what.en
    assert str(one) in caught.value.what.zh


def test_the_same_document_twice_is_one(tmp_path: Path) -> None:
    put(tmp_path, "one.yaml", grant_document("x"))
    put(tmp_path, "two.yaml", grant_document("x"))
    assert len(read_documents([tmp_path]).grants) == 1


def test_documents_of_other_kinds_in_a_folder_are_skipped_and_named(tmp_path: Path) -> None:
    put(tmp_path, "mapping.yaml", {"kind": "Mapping"})
    put(tmp_path, "grant.yaml", grant_document("x"))
    assert [kind for _, kind in read_documents([tmp_path]).skipped] == ["Mapping"]


def test_a_document_of_another_kind_that_somebody_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        read_documents([put(tmp_path, "mapping.yaml", {"kind": "Mapping"})])


@pytest.mark.parametrize("name", ["grant.txt", "contract.json"])
def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("x")
    with pytest.raises(ConfigError, match="neither a contract nor a grant"):
        read_documents([path])


def test_an_empty_folder_and_an_empty_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no"):
        read_documents([tmp_path])
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(ConfigError, match="no grant"):
        read_documents([tmp_path])


def test_a_rule_is_read_from_files_and_folders(tmp_path: Path) -> None:
    rule = {
        "kind": "CombinationRule",
        "id": "x.rule",
        "subject": "person",
        "fields": ["a", "b"],
        "title": {"zh": "规", "en": "r"},
        "basis": "test",
    }
    path = put(tmp_path, "rule.yaml", rule, grant_document("x"))
    for found in (read_documents([tmp_path]), read_documents([path])):
        assert ([r.id for _, r in found.rules], [g.id for _, g in found.grants]) == (["x.rule"], ["x.grant"])
    put(tmp_path, "two.yaml", {**rule, "fields": ["a", "c"]})
    with pytest.raises(ConfigError, match="the two differ"):
        read_documents([tmp_path])
