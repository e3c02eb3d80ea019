"""A local rule may be stricter than the law, never looser."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.control.deadlines.rules import ARTICLES, STATUTE, Rules, read_rules
from schemas.errors import ConfigError


def test_without_a_file_the_law_holds() -> None:
    assert read_rules(None) == Rules()
    assert (STATUTE.unconditional_reply, STATUTE.conditional_reply, STATUTE.extension, STATUTE.delivery) == (
        1,
        10,
        10,
        20,
    )


def test_every_number_has_its_article() -> None:
    assert set(ARTICLES) == set(Rules.model_fields) - {"kind"}


def test_a_stricter_number_holds_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "deadlines.yaml"
    path.write_text("kind: Deadlines\nconditional_reply: 5\nextension: 0\n")
    assert read_rules(path) == Rules(conditional_reply=5, extension=0)


@pytest.mark.parametrize("name", sorted(ARTICLES))
def test_a_looser_number_is_refused_with_place_and_article(tmp_path: Path, name: str) -> None:
    path = tmp_path / "deadlines.yaml"
    path.write_text(f"{name}: {getattr(STATUTE, name) + 1}\n")
    with pytest.raises(ConfigError) as failed:
        read_rules(path)
    assert failed.value.where == f"{path}: {name}"
    assert f"Art. {ARTICLES[name]} " in failed.value.what.en
    assert f"第{ARTICLES[name]}条" in failed.value.what.zh


@pytest.mark.parametrize("text", ["conditional_replies: 3\n", "delivery: 0\n", "delivery: soon\n", "", "---\n---\n"])
def test_a_file_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "deadlines.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"deadlines\.yaml"):
        read_rules(path)
