"""Views: a contract and a grant make a view or a ConfigError, and a view releases of any events without raising."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from schemas.change_event import change_event_schema
from schemas.clock import start_of_day_ms
from schemas.codec import ChangeDecoder, codec_for
from schemas.codec.frame import header
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import Grant, parse_grant
from stream_apps.policy import PREVIEW_KEY, View, ViewKeys, compile_view, evaluate
from tests.fuzz.corpus import CONTRACTS, GRANTS
from tests.fuzz.mutation import changed_tree
from tests.fuzz.wire import value

_PAIRS = [
    (contract, grant) for contract in CONTRACTS for grant in GRANTS if grant["resource"] == contract["resource"]["id"]
]


class ViewTarget:
    """{"contract": JSON, "grant": document, "seed": of the events}"""

    def case(self, dice: Random) -> Any:
        """A contract and a grant that fit each other, or did before they were changed."""
        contract, grant = dice.choice(_PAIRS)
        return {
            "contract": changed_tree(contract, dice, CONTRACTS, (0, 0, 1, 2)),
            "grant": changed_tree(grant, dice, GRANTS, (0, 1, 1, 2)),
            "seed": dice.randrange(1 << 30),
        }

    def check(self, case: Any) -> bool:
        """Compiling, and evaluating a few random events."""
        try:
            contract, grant = parse_contract(case["contract"]), parse_grant(case["grant"])
        except (ConfigError, KeyError, TypeError):
            return False
        try:
            view = compile_view(contract, grant, "g.yaml")
        except ConfigError as error:
            error.message("zh").encode("utf-8", "surrogatepass")
            return False
        assert len(view.id) == 64
        codec = codec_for(json.loads(json.dumps(view.schema)), 1)
        assert codec.arrow == view.arrow, "the view's layout is not that of its schema"
        _release(contract, grant, view, Random(str(case.get("seed"))))
        return True


def _release(contract: Contract, grant: Grant, view: View, dice: Random) -> None:
    schema = change_event_schema(contract)
    values = [header(1) + value(schema, dice) for _ in range(4)]
    decoded = ChangeDecoder(contract, 1, lambda _id: {}).decode(values)
    keys, at_ms = ViewKeys(PREVIEW_KEY, grant.id), start_of_day_ms(grant.valid.from_)
    released = evaluate(view, decoded.batch, keys=keys, at_ms=at_ms)
    assert len(released.outcome) == len(decoded.batch), "a row has no outcome"
    codec_for(view.schema, 1).encode(released.events)
