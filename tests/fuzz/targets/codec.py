"""Values as codecs meet them: neither raises, both say the same, and what decodes can be written and read again."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

from schemas.avro_types import check_avro
from schemas.codec import Codec, Decoded, codec_for, rows
from schemas.codec.avro_tree import MAX_TYPES
from schemas.codec.frame import header
from schemas.codec.rows import RowCodec
from schemas.errors import ConfigError
from tests.fuzz.mutation import changed_bytes
from tests.fuzz.wire import Schemas, value

GOLDEN = Path(__file__).parents[2] / "schemas" / "golden"
ID = 258
_SCHEMAS = 300


class CodecTarget:
    """{"schema": Avro, "values": [bytes as text]}"""

    def case(self, dice: Random) -> Any:
        """Values of a golden or random schema, most of them broken."""
        golden = [json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))] if dice.random() < 0.2 else []
        if golden:
            chosen = dice.choice(golden)
            schema, whole = chosen["schema"], [bytes.fromhex(v) for v in chosen["values"]]
        else:
            schema = random_schema(dice.randrange(_SCHEMAS))
            whole = [header(ID) + value(schema, dice) for _ in range(3)]
        given = [*whole, *(changed_bytes(dice.choice(whole), dice) for _ in range(6))]
        return {"schema": schema, "values": [v.decode("latin-1") for v in given]}

    def check(self, case: Any) -> bool:
        """Both codecs, together and alone."""
        try:
            fast, slow = _codecs(json.dumps(case["schema"]))
            given = [v.encode("latin-1") for v in case["values"]]
        except (ConfigError, KeyError, TypeError, AttributeError, UnicodeEncodeError):
            return False
        one, other = fast.decode(given), slow.decode(given)
        assert verdicts(one, len(given)) == verdicts(other, len(given)), (
            "the codecs disagree on which values are bad, or why"
        )
        assert repr(rows(one.batch)) == repr(rows(other.batch)), "the codecs disagree on what values hold"
        for codec, decoded in ((fast, one), (slow, other)):
            again = codec.decode(codec.encode(decoded.batch))
            assert not again.bad, "what decoded cannot be read again"
            assert repr(rows(again.batch)) == repr(rows(decoded.batch)), "what decoded is another thing when read again"
        return True


def random_schema(number: int) -> dict[str, Any]:
    """The schema of a number; every second one of types native code knows."""
    return Schemas(Random(f"schema:{number}"), native=bool(number % 2)).record()


def verdicts(decoded: Decoded, count: int) -> list[str]:
    """For each value `ok`, or why it is bad; each exactly once."""
    found = dict.fromkeys(decoded.rows.tolist(), "ok") | {b.position: b.reason.value for b in decoded.bad}
    assert len(decoded.rows) + len(decoded.bad) == len(found) == count, "a value has no verdict, or two"
    return [found[n] for n in range(count)]


@lru_cache(512)
def _codecs(schema: str) -> tuple[Codec, Codec]:
    check_avro(json.loads(schema), "schema", most=MAX_TYPES)  # as everybody does before
    return codec_for(json.loads(schema), ID), RowCodec(json.loads(schema), ID)
