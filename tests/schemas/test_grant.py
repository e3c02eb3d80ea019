"""What a grant may say, and how it is told what it may not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.clock import SHANGHAI
from schemas.errors import ConfigError
from schemas.grant import Validity, load_grants, parse_grant
from tests.schemas.contracts import grant_document


def refused(**changes: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse_grant(grant_document(**changes), "g.yaml")
    return caught.value


def test_the_two_ways_to_write_a_mask_are_read() -> None:
    grant = parse_grant(
        grant_document(fields={"id": "pass", "born": "date-to-year", "n": {"mask": "partial", "keep_first": 1}})
    )
    assert [(u.mask, u.params) for u in grant.fields.values()] == [
        ("pass", {}),
        ("date_to_year", {}),
        ("partial", {"keep_first": 1}),
    ]


def test_a_grant_survives_the_policy_logs_json() -> None:
    grant = parse_grant(grant_document())
    assert parse_grant(grant.model_dump(mode="json", by_alias=True)) == grant


def test_validity_covers_its_last_day_in_shanghai_and_not_the_next() -> None:
    validity = Validity.model_validate({"from": "2026-11-01", "until": "2026-11-02"})

    def at(*when: int) -> int:
        return int(dt.datetime(*when, tzinfo=SHANGHAI).timestamp() * 1000)  # type: ignore[misc, arg-type]

    assert not validity.covers(at(2026, 11, 1) - 1)
    assert validity.covers(at(2026, 11, 1))
    assert validity.covers(at(2026, 11, 3) - 1)
    assert not validity.covers(at(2026, 11, 3))


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"purpose": ""}, "g.yaml: purpose", "at least 1"),
        ({"fields": {}}, "g.yaml: fields", "at least 1"),
        ({"colour": 1}, "g.yaml: colour", "not permitted"),
        ({"valid": {"from": "2026-11-02", "until": "2026-11-01"}}, "g.yaml: valid", "before it begins"),
        ({"id": "A"}, "g.yaml: id", "lower-case"),
        ({"fields": {"名称": "pass"}}, "g.yaml: fields", "not a field name"),
        ({"where": "x" * 10_001}, "g.yaml: where", "at most 10000"),
    ],
)
def test_a_wrong_place_is_named_with_its_reason(changes: dict[str, Any], place: str, words: str) -> None:
    error = refused(**changes)
    assert error.where == place
    assert words in error.what.en


@pytest.mark.parametrize(
    ("changes", "typed", "meant"),
    [
        ({"where": "district IN （'云岩区'，'南明区'）"}, "（，）", "(,)"),
        ({"where": "name = “x”"}, "“”", '""'),
        ({"fields": {"id，": "pass"}}, "，", ","),
        ({"purpose：": "x"}, "：", ":"),
    ],
)
def test_full_width_punctuation_is_shown_with_its_correction(changes: dict[str, Any], typed: str, meant: str) -> None:
    hint = refused(**changes).hint
    assert hint is not None
    assert f"{typed} was typed; write {meant}." in hint.en
    assert meant in hint.zh


def test_full_width_punctuation_inside_a_text_literal_is_text() -> None:
    where = "name = '甲（乙），''丙'''"
    assert parse_grant(grant_document(where=where)).where == where


@pytest.mark.parametrize("where", [None, "", "  \n"])
def test_an_empty_filter_is_no_filter(where: str | None) -> None:
    assert parse_grant(grant_document(where=where)).where is None


@pytest.mark.parametrize(
    ("text", "words", "hint"),
    [
        ("", "holds no grant", None),
        ("- 1\n- 2\n", "a grant is a mapping", None),
        ("kind：Grant\n", "a grant is a mapping", "："),
        ("kind: Grant\nfields：\n  id: pass\n", "not valid YAML", "："),
        ("kind: Grant\nkind: Grant\n", "appears twice", None),
        ("a: &x 1\nb: *x\n", "aliases are not allowed", None),
        ("valid: {from: 2026-13-01}\n", "not valid YAML", None),
        ("a: \x00\n", "not valid YAML", None),
    ],
)
def test_a_file_that_is_no_grant_is_refused_in_words(tmp_path: Path, text: str, words: str, hint: str | None) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_grants(path)
    assert (caught.value.where or "").startswith(str(path))
    assert words in caught.value.what.en
    assert (hint in caught.value.hint.en if caught.value.hint else False) if hint else True


def test_several_grants_may_stand_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    one = "id: {id}\nsubscriber: a\nresource: b\npurpose: p\nbasis: q\nfields: {{f: pass}}\nvalid: {{from: 2026-01-01, until: 2026-01-02}}\n"
    path.write_text("---\n".join(one.format(id=i) for i in ("x.1", "x.2")), encoding="utf-8")
    assert [g.id for g in load_grants(path)] == ["x.1", "x.2"]


@pytest.mark.parametrize("written", ["name: null", "name: 'null'", "name: {mask: null}", "name:"])
def test_the_mask_null_is_meant_however_yaml_reads_the_word(written: str, tmp_path: Path) -> None:
    path = tmp_path / "g.yaml"
    document = grant_document()
    del document["fields"]
    path.write_text(yaml.safe_dump(document, allow_unicode=True) + f"fields:\n  {written}\n")
    (grant,) = load_grants(path)
    assert grant.fields["name"].mask == "null"
