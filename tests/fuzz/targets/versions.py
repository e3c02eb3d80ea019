"""Change events of one version of a contract, read by another: a version that cannot be read makes bad values, no faults."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from schemas.change_event import change_event_schema
from schemas.codec import ChangeDecoder, rows
from schemas.codec.frame import header
from schemas.contract import parse_contract
from schemas.errors import ConfigError
from tests.fuzz.corpus import CONTRACTS
from tests.fuzz.mutation import changed_bytes, changed_tree
from tests.fuzz.targets.codec import random_schema, verdicts
from tests.fuzz.wire import value

_NEW, _OLD = 1, 2


class VersionTarget:
    """{"contract": the newest, "writer": any schema, "values": [bytes as text]}"""

    def case(self, dice: Random) -> Any:
        """A contract, and the change events of one a few changes away, or of no relation at all."""
        contract = _with_random_fields(dice.choice(CONTRACTS), dice)
        writer: Any = {}
        other = changed_tree(contract, dice, CONTRACTS)
        try:
            writer = json.loads(json.dumps(change_event_schema(parse_contract(other))))
            whole = [header(_OLD) + value(writer, dice) for _ in range(4)]
        except Exception:  # noqa: BLE001 - the faults of parsing are the contract target's to find
            writer = changed_tree(random_schema(dice.randrange(100)), dice, CONTRACTS, (0, 1, 2))
            whole = [header(_OLD) + b"\x00" * 9]
        given = [*whole, changed_bytes(dice.choice(whole), dice)]
        return {"contract": contract, "writer": writer, "values": [v.decode("latin-1") for v in given]}

    def check(self, case: Any) -> bool:
        """Decoding raises nothing; each value has one verdict; what decoded can be written."""
        try:
            contract = parse_contract(case["contract"])
            given = [v.encode("latin-1") for v in case["values"]]
            decoder = ChangeDecoder(contract, _NEW, lambda _id: case["writer"])
        except (ConfigError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
            return False
        decoded = decoder.decode(given)
        told = verdicts(decoded, len(given))
        again = decoder.decode(decoder.codec.encode(decoded.batch))
        assert repr(rows(again.batch)) == repr(rows(decoded.batch)), (
            "what was projected is another thing when read again"
        )
        return "ok" in told


def _with_random_fields(contract: Any, dice: Random) -> Any:
    """The contract with a few fields of any type more."""
    more = random_schema(dice.randrange(100))["fields"]
    return {**contract, "fields": [*contract["fields"][:4], *({**f, "name": f"more_{f['name']}"} for f in more)]}
