"""The statutory numbers (政务数据共享条例), in working days. A local rule may be stricter, never looser."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from schemas.errors import ConfigError
from schemas.text import Text
from schemas.validation import Model, build, parse_yaml, read_text

ARTICLES = {
    "unconditional_reply": 21,
    "conditional_reply": 21,
    "extension": 21,
    "delivery": 22,
    "catalogue_update": 17,
    "catalogue_update_extension": 17,
    "catalogue_review": 17,
    "correction_reply": 26,
}
"""Where each number is written."""


class Rules(Model):
    """Working days each step may take. The defaults are the law's and the most there may be."""

    kind: Literal["Deadlines"] = "Deadlines"
    unconditional_reply: int = Field(default=1, ge=1)
    """A provider's reply for what is shared unconditionally. It cannot be extended."""
    conditional_reply: int = Field(default=10, ge=1)
    """A provider's reply for what is shared conditionally."""
    extension: int = Field(default=10, ge=0)
    """By which all extensions of a conditional reply together may prolong it."""
    delivery: int = Field(default=20, ge=1)
    """From consent until the data can be had."""
    catalogue_update: int = Field(default=10, ge=1)
    """From a change in a department until its catalogue entry says so."""
    catalogue_update_extension: int = Field(default=5, ge=0)
    catalogue_review: int = Field(default=2, ge=1)
    """Review and publication of a catalogue entry."""
    correction_reply: int = Field(default=10, ge=1)
    """A provider's reply to a doubt about its data (校核)."""


STATUTE = Rules()


def read_rules(path: Path | None) -> Rules:
    """The rules of a file (`kind: Deadlines`, and the numbers that are stricter here); the law's without one.

    Raises ConfigError for a file that is wrong, and for a number looser than the law's, naming the article.
    """
    if path is None:
        return STATUTE
    documents = parse_yaml(read_text(path), str(path))
    if len(documents) != 1:
        raise ConfigError(
            Text("it must hold exactly one document.", "文件须恰好包含一份文档。"),
            where=str(path),
            hint=Text("Begin it with 'kind: Deadlines'.", "请以 'kind: Deadlines' 开头。"),
        )
    rules = build(Rules, documents[0], str(path))
    for name, article in ARTICLES.items():
        here, law = getattr(rules, name), getattr(STATUTE, name)
        if here > law:
            raise ConfigError(
                Text(
                    f"{here} working days are looser than the {law} of Art. {article} (政务数据共享条例).",
                    f"{here} 个工作日宽于《政务数据共享条例》第{article}条规定的 {law} 个工作日。",
                ),
                where=f"{path}: {name}",
                hint=Text(f"Write {law} or fewer.", f"请写 {law} 或更少。"),
            )
    return rules
