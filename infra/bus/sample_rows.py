"""Generated rows of a contract, for whoever approves: they look like the resource's, and are nobody's. The same ones every time.

Raw rows are the provider's only; nothing here reads a topic.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any

from infra.bus.demo import people
from schemas.avro_types import AvroType, logical, primitive
from schemas.contract import Contract, ContractField
from schemas.grant import Grant

_LITERAL = re.compile(r"'((?:[^']|'')*)'")
_SEED = 20_251_124
_MOST_ITEMS = 2


def sample_events(contract: Contract, grant: Grant, count: int) -> Iterator[str]:
    """`count` events as `bus preview` reads them: new rows, and of every third a change.

    Text that the row filter names is among the values, so that rows pass it as others do not.
    """
    made = _Rows(contract, tuple(t.replace("''", "'") for t in _LITERAL.findall(grant.where or "")))
    before: dict[str, Any] | None = None
    for n in range(count):
        row = made.row()
        if n % 3 == 2 and before is not None and contract.resource.before != "never":
            changed = row | {name: before[name] for name in contract.key}
            yield _line("u", before, changed)
        else:
            yield _line("c", None, row)
            before = row


def _line(op: str, before: dict[str, Any] | None, after: dict[str, Any]) -> str:
    return json.dumps({"op": op, "before": before, "after": after}, ensure_ascii=False)


class _Rows:
    """Draws rows of one contract."""

    def __init__(self, contract: Contract, words: tuple[str, ...]) -> None:
        self._contract, self._words = contract, words
        self._random = Random(f"{_SEED}:{contract.id}")

    def row(self) -> dict[str, Any]:
        """A row as JSON has it."""
        return {f.name: self._value(f.type, f) for f in self._contract.fields}

    def _value(self, avro: AvroType, field: ContractField) -> Any:
        if isinstance(avro, list):
            some = [b for b in avro if b != "null"]
            if not some or ("null" in avro and self._random.random() < 0.1):
                return None
            return self._value(self._random.choice(some), field)
        if isinstance(avro, dict) and avro["type"] in _NESTED:
            return self._nested(avro, field)
        kind, meaning = primitive(avro), logical(avro)
        return self._logical(avro, meaning) if meaning in _LOGICAL else self._plain(avro, kind, field)

    def _nested(self, avro: dict[str, Any], field: ContractField) -> Any:
        if avro["type"] == "enum":
            return self._random.choice(avro["symbols"])
        if avro["type"] == "record":
            return {m["name"]: self._value(m["type"], _member(m, field)) for m in avro["fields"]}
        many = range(1, self._random.randint(1, _MOST_ITEMS) + 1)
        if avro["type"] == "array":
            return [self._value(avro["items"], field) for _ in many]
        return {f"k{n}": self._value(avro["values"], field) for n in many}

    def _plain(self, avro: AvroType, kind: str, field: ContractField) -> Any:
        draw = self._random
        if kind == "string":
            return self._text(field, logical(avro))
        if kind in ("int", "long"):
            return draw.choice((0, 1, draw.randrange(100), draw.randrange(100_000)))
        if kind in ("float", "double"):
            return draw.randrange(1 << 14) / 64  # a float holds it exactly
        if kind == "boolean":
            return draw.random() < 0.5
        size = int(avro["size"]) if isinstance(avro, dict) and kind == "fixed" else 6
        return None if kind == "null" else base64.b64encode(draw.randbytes(size)).decode()

    def _text(self, field: ContractField, meaning: str | None) -> str:
        draw = self._random
        district = draw.choice(list(people.DISTRICTS))
        if meaning == "uuid":
            h = f"{draw.getrandbits(128):032x}"
            return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"
        if field.format == "cn-id":
            return people.id_number(draw, district, people.day(draw, 1950, 2010))
        if field.format == "cn-uscc":
            return people.credit_code(draw, district)
        if field.format == "cn-mobile":
            return people.mobile(draw)
        if field.format == "cn-division":
            return people.DISTRICTS[district]
        if self._words and draw.random() < 0.5:
            return draw.choice(self._words)
        return self._by_name(field, district)

    def _by_name(self, field: ContractField, district: str) -> str:
        """What people write into such a field, as its name and its doc tell."""
        draw, about = self._random, f"{field.name} {field.concept or ''} {field.doc}".lower()
        if "addr" in about or "address" in about or "地址" in about or "住址" in about:
            return people.address(draw, district)
        if "phone" in about or "mobile" in about or "电话" in about:
            return people.mobile(draw)
        if "name" in about or "名称" in about or "姓名" in about:
            personal = field.personal != "none" or "姓名" in about
            return people.person_name(draw) if personal else people.company_name(draw)
        return people.person_name(draw) if field.personal != "none" else f"{field.name}-{draw.randrange(100):02d}"

    def _logical(self, avro: AvroType, meaning: str | None) -> str:
        draw = self._random
        if meaning == "decimal":
            assert isinstance(avro, dict)
            digits, scale = min(int(avro["precision"]), 9), int(avro.get("scale", 0))
            whole = draw.randrange(10 ** max(digits - scale, 0)) if digits > scale else 0
            return f"{whole}.{draw.randrange(10**scale):0{scale}d}" if scale else str(whole)
        day = people.day(draw, 1990, 2025)
        if meaning == "date":
            return day.isoformat()
        time = dt.time(draw.randrange(24), draw.randrange(60), draw.randrange(60))
        return time.isoformat() if (meaning or "").startswith("time-") else f"{day}T{time}"


def _member(member: dict[str, Any], outer: ContractField) -> ContractField:
    """A nested field: what decides about its values of its own, what it leaves out from what it lies in."""
    own: dict[str, Any] = {k: v for k, v in member.items() if k in ("format", "doc", "concept", "personal")}
    plain: dict[str, Any] = {"name": member["name"], "type": member["type"], "format": None, "doc": "", "concept": None}
    return outer.model_copy(update={**plain, **own})


_NESTED = frozenset({"record", "array", "map", "enum"})
_LOGICAL = frozenset(
    {
        "date",
        "timestamp-millis",
        "timestamp-micros",
        "local-timestamp-millis",
        "local-timestamp-micros",
        "time-millis",
        "time-micros",
        "decimal",
    }
)
