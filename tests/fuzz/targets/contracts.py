"""Contracts: whatever JSON holds is a contract or a ConfigError, and a contract has change events that can be read."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from schemas.change_event import change_event_schema
from schemas.codec import codec_for
from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.validation import parse_json
from tests.fuzz.corpus import CONTRACTS
from tests.fuzz.mutation import ODD_TEXTS, changed_text, changed_tree

_PIECES = (
    *ODD_TEXTS,
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    '":',
    "1",
    "-",
    "e9",
    "NaN",
    "Infinity",
    "\\u0000",
    "\\ud800",
    "\\",
    "//",
    "\ufeff",
    "9" * 5000,
)


class ContractTarget:
    """{"tree": JSON} or {"text": JSON as text}"""

    def case(self, dice: Random) -> Any:
        """A contract changed as a tree, or as a text."""
        contract = dice.choice(CONTRACTS)
        if dice.random() < 0.3:
            return {"text": changed_text(json.dumps(contract, ensure_ascii=False), dice, _PIECES)}
        return {"tree": changed_tree(contract, dice, CONTRACTS)}

    def check(self, case: Any) -> bool:
        """Parsing; of what is a contract also its change events."""
        try:
            tree = parse_json(case["text"] if "text" in case else json.dumps(case["tree"]), "c.avsc")
        except (ConfigError, KeyError, TypeError):
            return False
        try:
            contract = parse_contract(tree, "c.avsc")
        except ConfigError as error:
            error.message("zh").encode("utf-8", "surrogatepass")
            return False
        json.dumps(contract.source, ensure_ascii=False, allow_nan=False).encode()
        codec_for(json.loads(json.dumps(change_event_schema(contract))), 1)
        return True
