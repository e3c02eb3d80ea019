"""Language and JSON mode are known before any verb."""

from __future__ import annotations

import pytest

from infra.bus.output import plain
from infra.bus.session import Session, read_globals
from schemas.errors import ConfigError
from schemas.text import Text


@pytest.mark.parametrize(
    ("argv", "rest"),
    [
        (["--json", "grants"], ["grants"]),
        (["grants", "--json"], ["grants"]),
        (["grants", "--all", "--json"], ["grants", "--all"]),
    ],
)
def test_json_may_stand_before_and_after_the_verb(argv: list[str], rest: list[str]) -> None:
    session, left = read_globals(argv, {})
    assert (session.json, left) == (True, rest)


@pytest.mark.parametrize("argv", [["--lang", "zh", "up"], ["up", "--lang", "zh"], ["up", "--lang=zh"]])
def test_the_language_may_stand_anywhere(argv: list[str]) -> None:
    session, left = read_globals(argv, {"LANG": "en_US.UTF-8"})
    assert (session.language, left) == ("zh", ["up"])


def test_after_two_dashes_nothing_is_ours() -> None:
    session, left = read_globals(["publish", "--", "--json"], {})
    assert (session.json, left) == (False, ["publish", "--", "--json"])


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({}, "en"),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LANG": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_without_a_choice_the_locale_decides(environ: dict[str, str], language: str) -> None:
    assert read_globals([], environ)[0].language == language


@pytest.mark.parametrize("argv", [["--lang", "fr"], ["--lang"], ["--lang="]])
def test_a_language_there_is_not_is_refused(argv: list[str]) -> None:
    with pytest.raises(ConfigError, match="en and zh"):
        read_globals(argv, {})


def test_texts_in_facts_are_in_the_language_of_the_session() -> None:
    fact = {"why": Text("because", "因为"), "n": (1, 2)}
    assert plain(fact, Session("zh")) == {"why": "因为", "n": [1, 2]}
