"""Names, keys and files: each has one spelling, and what has none is refused in words."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import ids
from schemas.errors import ConfigError
from schemas.keys import key_text
from schemas.validation import MAX_BYTES, half_width, parse_json, read_text

WORDS = st.text("ab01", min_size=1, max_size=3)
IDS = st.lists(st.tuples(WORDS, st.sampled_from("._-")), min_size=1, max_size=4).map(
    lambda parts: "".join(w + s for w, s in parts)[:-1]
)


@given(IDS)
def test_a_source_topic_tells_its_resource(resource: str) -> None:
    assert ids.resource_of(ids.source_topic(resource)) == resource


@given(IDS, IDS)
def test_two_ids_never_meet_in_one_name(a: str, b: str) -> None:
    assert (ids.source_topic(a) == ids.source_topic(b)) == (a == b)
    as_metrics_see_it = [ids.source_topic(x).replace(".", "_") for x in (a, b)]
    assert (as_metrics_see_it[0] == as_metrics_see_it[1]) == (a == b)
    assert "_" not in ids.source_topic(a), "Kafka takes . and _ for one character in metrics"


@pytest.mark.parametrize("bad", ["", "A", "a..b", "a._b", "-a", "a-", "a b", "名", "a\n", "a" * 97])
def test_what_is_no_id_has_no_topic(bad: str) -> None:
    with pytest.raises(ValueError, match="an id"):
        ids.source_topic(bad)


@pytest.mark.parametrize("topic", ["grant.a.g1", "src.", "src.A", "bus.grants"])
def test_only_a_source_topic_has_a_resource(topic: str) -> None:
    with pytest.raises(ValueError):
        ids.resource_of(topic)


PARTS = st.lists(st.text("a|\\"), min_size=1, max_size=3)


@given(PARTS, PARTS)
def test_two_keys_never_have_one_text(a: list[str], b: list[str]) -> None:
    assert (key_text(a) == key_text(b)) == (a == b)


def test_a_plain_key_is_its_own_text() -> None:
    assert key_text(["91520100MA6DK0XX0X"]) == "91520100MA6DK0XX0X"


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\xff\xfe\x00", "not UTF-8"), (b"x" * (MAX_BYTES + 1), "larger than"), (None, "cannot be read")],
)
def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "f"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        read_text(path)
    assert caught.value.where == str(path)


def test_a_byte_order_mark_is_not_text(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"\xef\xbb\xbfa")
    assert read_text(path) == "a"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ('{"a": 1,\n }', "f:2:2", "not valid JSON"),
        ('{"a": 1, "a": 2}', "f", "appears twice"),
        ("[" * 100_000, "f", "nested too deeply"),
        ("9" * 5000, "f", "too long"),
    ],
)
def test_bad_json_is_named_with_its_place(text: str, place: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        parse_json(text, "f")
    assert caught.value.where == place


def test_every_full_width_mark_has_its_correction() -> None:
    assert half_width("，（）“”‘’：；！＝＜＞［］｛｝") == ",()\"\"'':;!=<>[]{}"
