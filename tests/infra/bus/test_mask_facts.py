"""`bus masks` and the masks' pages say what the masks themselves say, in both languages, and their examples are true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from infra.bus.mask_facts import all_facts, facts_of, parameter_line
from infra.bus.mask_page import masks_page
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from schemas.paths import Path as FieldPath
from stream_apps.policy import PREVIEW_KEY, ViewKeys
from stream_apps.policy.mask_tree import Granted, leaf_masks
from stream_apps.policy.masks import MASKS, Example
from stream_apps.policy.shown import shown
from tests.infra.bus.command import bus
from tests.infra.control.world import contract_source, grant_document

EXAMPLES = [(name, example) for name, mask in MASKS.items() for example in mask.about.examples]
FIELD: FieldPath = ("f",)
SEALED_OR_TOKEN = {"pseudonym": re.compile(r"1-[0-9a-f]{32}"), "encrypt": re.compile(r"e1\.1-[0-9a-f]{16}\.[\w-]+=*")}
"""Results that depend on whose keys they are made with: an example shows their form."""


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{n}-{e.use}-{e.value}" for n, e in EXAMPLES])
def test_an_example_is_what_a_grant_that_writes_it_gives(name: str, example: Example) -> None:
    source = contract_source("w.r")
    source["fields"].append({"name": "f", "type": example.avro})
    written = yaml.safe_load(example.use)
    grant = parse_grant(grant_document("w", fields={"uscc": "pass", "f": written}))
    mask = leaf_masks(Granted(parse_contract(source), grant, "grant"))[FIELD]
    gives = mask.row(example.value, ViewKeys(PREVIEW_KEY, grant.id), "row")
    if name in SEALED_OR_TOKEN:
        assert SEALED_OR_TOKEN[name].fullmatch(gives)
        assert SEALED_OR_TOKEN[name].fullmatch(example.gives)
        assert len(gives) == len(example.gives)
    else:
        assert shown(gives, "string") == example.gives


def test_every_mask_but_the_one_that_releases_nothing_has_an_example() -> None:
    assert [m.mask for m in all_facts() if not m.examples] == ["drop"]


def test_every_parameter_is_told_with_its_meaning_and_nothing_else_is() -> None:
    for mask in all_facts():
        assert {p.name for p in mask.parameters} == set(MASKS[mask.mask].model_fields)
        assert [n for n, _ in MASKS[mask.mask].about.parameters] == [p.name for p in mask.parameters]
        assert all(p.meaning.en and p.meaning.zh for p in mask.parameters)


def test_bounds_and_defaults_are_those_of_the_model() -> None:
    by_name = {p.name: p for name in ("partial", "generalise", "truncate") for p in facts_of(name).parameters}
    first = by_name["keep_first"]
    assert parameter_line(first, "en").endswith("(a whole number, 0 to 64; default 0)")
    assert parameter_line(first, "zh").endswith("(整数, 0 至 64; 默认 0)")
    assert (first.required, first.default, first.bounds) == (False, 0, {"type": "integer", "minimum": 0, "maximum": 64})
    assert parameter_line(by_name["length"], "en").endswith("(a whole number, 1 to 1000; required)")
    assert by_name["step"].may_be.en == f"a number, above 0, at most {1 << 50}"
    assert by_name["edges"].may_be.zh == "列表, 各项为数值, 1 至 100 项"
    assert by_name["to"].may_be.en.startswith("one of month, quarter, year")


@pytest.mark.parametrize("name", [n for n in MASKS if n != "drop"])
def test_what_may_make_a_key_is_what_the_bound_mask_says(name: str) -> None:
    example = MASKS[name].about.examples[0]
    source = contract_source("w.r")
    source["fields"].append({"name": "f", "type": example.avro})
    fields = {"uscc": "pass", "f": yaml.safe_load(example.use)}
    granted = Granted(parse_contract(source), parse_grant(grant_document("w", fields=fields)), "grant")
    assert facts_of(name).may_make_a_key is leaf_masks(granted)[FIELD].keeps_keys_apart


def test_short_names_say_what_they_are_short_for() -> None:
    assert {m.mask: m.short_for for m in all_facts() if m.short_for} == {
        "bucket": "{mask: generalise, to: bucket}",
        "date_to_year": "{mask: generalise, to: year}",
    }


def test_both_pages_hold_every_mask_parameter_and_example() -> None:
    pages = [masks_page("en", "made\n"), masks_page("zh", "made\n")]
    for mask in all_facts():
        for page in pages:
            assert f"\n## {mask.mask}\n" in page
            assert all(f"| `{p.name}` |" in page for p in mask.parameters)
            assert all(f"`{e.use}`" in page for e in mask.examples)
    assert [len(page.splitlines()) for page in pages] == [len(pages[0].splitlines())] * 2


def test_the_command_tells_all_of_every_mask_to_a_machine(tmp_path: Path) -> None:
    done = bus("masks", "--json", "--lang", "zh", home=tmp_path)
    told = {m["mask"]: m for m in json.loads(done.stdout)}
    assert list(told) == list(MASKS)
    assert told["partial"]["title"] == MASKS["partial"].about.does.zh
    assert told["date_to_year"]["examples"] == [{"use": "date_to_year", "value": "1990-06-01", "gives": 1990}]
    one = bus("masks", "date-to-year", "--json", "--lang", "zh", home=tmp_path)
    assert json.loads(one.stdout) == told["date_to_year"]


def test_the_command_tells_a_person_each_mask_in_one_line_and_one_in_full(tmp_path: Path) -> None:
    lines = bus("masks", home=tmp_path).stdout.splitlines()
    assert [line.split("\t")[0] for line in lines[1:]] == list(MASKS)
    assert all(len(line.split("\t")) == 6 for line in lines)
    one = bus("masks", "truncate", "--lang", "zh", home=tmp_path).stdout.splitlines()
    assert one[:3] == ["truncate: 仅保留前若干字符", "适用于: 文本", "可作主键: 不可"]
    [(_, meaning)] = MASKS["truncate"].about.parameters
    assert f"length\t{meaning.zh}\t整数, 1 至 1000\t必填" in one


def test_an_unknown_mask_is_an_error_that_names_a_near_one(tmp_path: Path) -> None:
    done = bus("masks", "partal", home=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Did you mean 'partial'?" in done.stderr
    assert "是否为 'partial'?" in bus("masks", "partal", "--lang", "zh", home=tmp_path).stderr
