"""A subscriber opens what was released sealed, wherever in a row it is, with the keys in its file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from consumers.sealed import open_sealed, read_seal_keys
from schemas.errors import ConfigError, PermanentError
from schemas.sealed import SealKey, associated, seal_all, sealed_text

GRANT = "shuiwu.people.2026-001"
KEY = SealKey(1, bytes(range(32)))
SM4 = SealKey(2, bytes(range(1, 33)), "sm3")


def sealed(text: str, path: str, key: SealKey = KEY) -> str:
    (one,) = seal_all([text.encode()], [b"n" * 12], key.cipher_key, key.suite, associated(GRANT, path))
    return sealed_text(one, key)


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, SealKey]:
    file = tmp_path / "seal.keys"
    file.write_text(f"{KEY.line()}\n\n  {SM4.line()}\n", encoding="utf-8")
    return read_seal_keys(file)


def test_values_open_at_every_depth_and_the_row_stays_as_it_was(keys: dict[str, SealKey]) -> None:
    row = {
        "id": "1",
        "born": sealed("date:1990-06-01", "born", SM4),
        "home": {"street": sealed("string:中华北路", "home.street"), "city": "贵阳"},
        "members": [{"phone": sealed("string:139", "members[].phone")}, {"phone": None}, None],
        "by_year": {"2026": sealed("long:5", "by_year[]")},
        "gone": None,
    }
    before = repr(row)
    paths = ["born", "home.street", "members[].phone", "by_year[]", "gone"]
    opened: dict[str, Any] = open_sealed(row, paths, grant=GRANT, keys=keys)
    assert opened == {
        "id": "1",
        "born": dt.date(1990, 6, 1),
        "home": {"street": "中华北路", "city": "贵阳"},
        "members": [{"phone": "139"}, {"phone": None}, None],
        "by_year": {"2026": 5},
        "gone": None,
    }
    assert repr(row) == before


@pytest.mark.parametrize("path", ["nothing", "home.nothing", "home[]", "id.x", "members{}", "home..x"])
def test_a_path_the_row_does_not_have_is_named(path: str, keys: dict[str, SealKey]) -> None:
    row = {"id": "1", "home": [1] if path == "home.nothing" else {"a": 1}, "members": []}
    with pytest.raises((ConfigError, PermanentError)) as refused:
        open_sealed(row, [path], grant=GRANT, keys=keys)
    assert refused.value.where == path


def test_what_is_not_sealed_or_of_another_grant_is_refused(keys: dict[str, SealKey]) -> None:
    for row, grant in (({"a": 5}, GRANT), ({"a": "x"}, GRANT), ({"a": sealed("long:5", "a")}, "another")):
        with pytest.raises(PermanentError):
            open_sealed(row, ["a"], grant=grant, keys=keys)


def test_a_key_that_is_not_in_the_file_is_asked_for_by_its_id() -> None:
    with pytest.raises(ConfigError) as refused:
        open_sealed({"a": sealed("long:5", "a", SM4)}, ["a"], grant=GRANT, keys={KEY.id: KEY})
    assert SM4.id in str(refused.value)


@pytest.mark.parametrize(("text", "place"), [("", ""), (f"{KEY.line()}\nrubbish\n", ":2")])
def test_a_file_without_good_keys_is_refused_with_its_line(text: str, place: str, tmp_path: Path) -> None:
    file = tmp_path / "seal.keys"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        read_seal_keys(file)
    assert refused.value.where == f"{file}{place}"
