"""YAML is data: no aliases, no tags, no merges, no key twice, no number that takes long; refused at once with its place."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.grant import load_grants
from schemas.validation import MAX_BYTES, parse_yaml

LAUGHS = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [*{p}, *{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True))
HOSTILE = {
    "billion laughs": (LAUGHS, "aliases are not allowed"),
    "an alias": ("a: 1\nb: *a", "aliases are not allowed"),
    "an anchor": ("a: &a 1", "aliases are not allowed"),
    "an anchor that holds itself": ("&a [*a]", "aliases are not allowed"),
    "a Python object": ("!!python/object/apply:os.system ['true']", "tags are not allowed"),
    "a Python name": ("a: !!python/name:os.system", "tags are not allowed"),
    "a date that is none": ("a: !!timestamp x", "tags are not allowed"),
    "a whole number of nothing": ("a: !!int ''", "tags are not allowed"),
    "a number of nothing": ("a: !!float ''", "tags are not allowed"),
    "a truth that is none": ("a: !!bool perhaps", "tags are not allowed"),
    "a mapping that is a list": ("a: !!map [a]", "tags are not allowed"),
    "a set": ("a: !!set {b}", "tags are not allowed"),
    "a tag of one's own": ("a: !mine b", "tags are not allowed"),
    "a tag through a shorthand": ("%TAG ! tag:x,2000:\n--- !a b", "tags are not allowed"),
    "no tag at all": ("a: ! b", "tags are not allowed"),
    "a key twice": ("a: 1\nb: 2\na: 3", "the key 'a' appears twice"),
    "a key twice below": ("a: {b: 1, b: 2}", "the key 'b' appears twice"),
    "a key twice, told differently": ("1: a\n0x1: b", "the key '1' appears twice"),
    "a merge": ("a: 1\n<<: {a: 2}", "constructor"),
    "a list for a key": ("? [a]\n: 1", "a key must be a plain word"),
    "a mapping for a key": ("{{a: 1}: 1}", "a key must be a plain word"),
    "a number of a million digits": ("a: " + "9" * 1_000_000, "a number is too long"),
    "a hexadecimal number of a million digits": ("a: 0x" + "f" * 1_000_000, "a number is too long"),
    "a binary number of a million digits": ("a: 0b" + "1" * 1_000_000, "a number is too long"),
    "a number to base 60": ("a: 1" + ":59" * 100_000, "a number is too long"),
    "a time of day": ("a: 12:30:45", "a time without quotes"),
    "a day there is not": ("a: 2026-13-01", "not valid YAML"),
    "a character there is not": ('a: "\\UFFFFFFFF"', "not valid YAML"),
    "lists in lists": ("[" * 1_000_000, "nested too deeply"),
    "mappings in mappings": ("{a: " * 200_000, "nested too deeply"),
    "dashes": ("- " * 500_000, "nested too deeply"),
    "half a million entries": ("[" + "1," * 500_000 + "1]", "more than 20000 values"),
    "a hundred thousand keys": ("".join(f"k{n}: 1\n" for n in range(90_000)), "more than 20000 values"),
    "a hundred thousand documents": ("--- 1\n" * 100_000, "more than 20000 values"),
    "a terminal's escape": ("a: \x1b[31mred", "not valid YAML"),
    "NUL": ("a: \x00", "not valid YAML"),
    "another version": ("%YAML 9.9\n--- a", "incompatible"),
}


@pytest.mark.parametrize(("text", "words"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_yaml_is_refused_at_once_with_its_place(text: str, words: str) -> None:
    began = time.process_time()
    with pytest.raises(ConfigError) as refused:
        parse_yaml(text, "g.yaml")
    assert time.process_time() - began < 2
    assert words in refused.value.message()
    assert (refused.value.where or "").startswith("g.yaml")
    assert len(refused.value.message()) < 300


GRANT = "kind: Grant\nid: a.b\nsubscriber: s\nresource: r\npurpose: p\nbasis: b\nfields: {id: pass}\nvalid: {from: 2026-01-01, until: 2026-12-31}\n"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("where: " + "b AND " * 150_000 + "b", "longer than 20000 characters"),
        ("where: '" + "(" * 900_000 + "'", "longer than 20000 characters"),
        ("where: " + "b AND " * 500_000 + "b", f"larger than {MAX_BYTES} bytes"),
        ("where: " + "b AND " * 2_000 + "b", "at most 10000 characters"),
        ("before: 12345678901234567890123456789012345678901", "too long"),
        ("version: 0x" + "f" * 36, "digits"),
    ],
)
def test_a_grant_file_with_a_filter_of_megabytes_is_refused_with_one_message(
    tmp_path: Path, line: str, words: str
) -> None:
    path = tmp_path / "g.yaml"
    path.write_text(GRANT + line)
    began = time.process_time()
    with pytest.raises(ConfigError) as refused:
        load_grants(path)
    assert time.process_time() - began < 2
    assert words in refused.value.message()
    assert len(str(refused.value)) < 400


PIECES = ("a", ":", " ", "\n", "-", "[", "]", "{", "}", "?", "!", "!!int", "&x", "*x", "<<", "'", '"', "|", ">", "%", "@", "1", "0x", "~", "\t", "---", "...", "#", "=", "\\x", "2026-01-01", "é", "\ud800")  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=30))
@settings(deadline=None)
def test_any_text_is_yaml_or_refused_and_nothing_else_happens(text: str) -> None:
    try:
        parse_yaml(text, "g.yaml")
    except ConfigError as error:
        assert (error.where or "").startswith("g.yaml")
