"""Grants: whatever YAML holds is a grant or a ConfigError."""

from __future__ import annotations

from random import Random
from typing import Any

from schemas.errors import ConfigError
from schemas.grant import Grant, parse_grant
from schemas.validation import parse_yaml
from tests.fuzz.corpus import GRANT_TEXTS, GRANTS
from tests.fuzz.mutation import ODD_TEXTS, changed_text, changed_tree

_PIECES = (
    *ODD_TEXTS, ":", ": ", "\n", "\n  ", "\n- ", "- ", "---\n", "...\n", "{", "}", "[", "]", ",", "&a ", "*a", "!!int ", "!!python/name:os ", "!x ",
    "<<: ", "| ", ">\n", "'", '"', "\\x1b", "\\ud800", "#", "%", "@", "`", "?", "~", "0x1", "0b1", "1:30", "1_0", "2026-13-01", ".inf", "yes", "\t", "=",
)  # fmt: skip


class GrantTarget:
    """{"text": YAML} or {"tree": a document}"""

    def case(self, dice: Random) -> Any:
        """A grant changed as a text, or as a tree."""
        if dice.random() < 0.6:
            return {"text": changed_text(dice.choice(GRANT_TEXTS), dice, _PIECES)}
        return {"tree": changed_tree(dice.choice(GRANTS), dice, GRANTS)}

    def check(self, case: Any) -> bool:
        """Parsing, and that a grant survives being written down and read again."""
        try:
            documents = parse_yaml(case["text"], "g.yaml") if "text" in case else [case["tree"]]
        except (ConfigError, KeyError, TypeError):
            return False
        accepted = False
        for document in documents:
            try:
                grant = parse_grant(document, "g.yaml")
            except ConfigError as error:
                error.message("zh").encode("utf-8", "surrogatepass")
                continue
            accepted = True
            again = Grant.model_validate_json(grant.model_dump_json(by_alias=True))
            assert again == grant or again.model_dump_json() == grant.model_dump_json(), (
                "a grant changes when written down"
            )
        return accepted
