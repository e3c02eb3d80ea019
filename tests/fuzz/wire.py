"""Random Avro schemas, and values of them straight to bytes, so that no codec of ours has a part in its own test."""

from __future__ import annotations

import struct
from random import Random
from typing import Any

from schemas.codec.arrow_types import decimal_of
from schemas.codec.avro_tree import expand
from schemas.codec.ranges import range_of

_SCALARS: tuple[Any, ...] = (
    "boolean", "int", "long", "float", "double", "string", "bytes", "null",
    {"type": "int", "logicalType": "date"}, {"type": "long", "logicalType": "timestamp-millis"},
    {"type": "long", "logicalType": "timestamp-micros"}, {"type": "int", "logicalType": "time-millis"},
    {"type": "long", "logicalType": "time-micros"}, {"type": "string", "logicalType": "uuid"},
    {"type": "long", "logicalType": "local-timestamp-millis"},
    {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 5},
)  # fmt: skip
_TEXTS = ("", "a", "91520100MA6DK0XX0X", "云岩区", "𠮷", "e\u0301", "a|b\\", "\x00", "x" * 70)


class Schemas:
    """Makes record schemas of one die; every named type gets a name of its own."""

    def __init__(self, dice: Random, *, native: bool) -> None:
        self._dice, self._native, self._names = dice, native, 0

    def record(self, depth: int = 3) -> dict[str, Any]:
        """A record of up to five fields."""
        fields = [{"name": f"f{n}", "type": self._type(depth - 1)} for n in range(self._dice.randint(1, 5))]
        return {"type": "record", "name": self._fresh("R"), "fields": fields}

    def _type(self, depth: int) -> Any:
        kind = self._dice.choice(
            ("scalar", "scalar", "option", "record", "array", "map", "union") if depth > 0 else ("scalar", "option")
        )
        if kind == "record":
            return self.record(depth)
        if kind == "array" or kind == "map":
            return {"type": kind, "items" if kind == "array" else "values": self._type(depth - 1)}
        if kind == "option":
            inner = self._scalar() if depth <= 0 else self._type(depth - 1)
            return inner if isinstance(inner, list) or inner == "null" else self._dice.sample(["null", inner], 2)
        if kind == "union":
            return self._dice.sample(
                ["null", "string", "long", "double", {"type": "array", "items": "int"}], self._dice.randint(3, 5)
            )
        return self._scalar()

    def _scalar(self) -> Any:
        choice = self._dice.choice((*(_SCALARS[:6] if self._native else _SCALARS), "enum", "fixed"))
        if choice == "enum":
            return {"type": "enum", "name": self._fresh("E"), "symbols": ["A", "B", "C"]}
        if choice == "fixed":
            return "int" if self._native else {"type": "fixed", "name": self._fresh("F"), "size": 4}
        return choice

    def _fresh(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}{self._names}"


def value(schema: Any, dice: Random) -> bytes:
    """A random value of a schema as Avro writes it."""
    return _value(expand(schema), dice)


def varint(number: int) -> bytes:
    """A whole number as Avro writes it."""
    rest, out = ((number << 1) ^ (number >> 63)) & (2**64 - 1), b""
    while rest > 127:
        out, rest = out + bytes([rest & 127 | 128]), rest >> 7
    return out + bytes([rest])


def _value(tree: Any, dice: Random) -> bytes:
    if isinstance(tree, list):
        branch = dice.randrange(len(tree))
        return varint(branch) + _value(tree[branch], dice)
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "record":
        return b"".join(_value(f["type"], dice) for f in tree["fields"])
    if kind in ("array", "map"):
        return _blocks(tree, kind, dice)
    if kind == "enum":
        return varint(dice.randrange(len(tree["symbols"])))
    digits = decimal_of(tree)
    if digits:
        number = dice.choice((0, 1, -1, 10 ** digits[0] - 1, dice.randrange(10 ** digits[0])))
        size = tree.get("size") or number.bit_length() // 8 + 1
        raw = number.to_bytes(size, "big", signed=True)
        return raw if kind == "fixed" else varint(len(raw)) + raw
    if kind == "fixed":
        return dice.randbytes(tree["size"])
    return _plain(kind, range_of(tree), dice)


def _blocks(tree: Any, kind: str, dice: Random) -> bytes:
    count = dice.choice((0, 1, 2, 3))
    items = [
        (_text(f"k{n}") if kind == "map" else b"") + _value(tree["items" if kind == "array" else "values"], dice)
        for n in range(count)
    ]
    body = b"".join(items)
    head = varint(-count) + varint(len(body)) if dice.random() < 0.3 else varint(count)
    return head + body + b"\x00" if count else b"\x00"


def _plain(kind: str, limits: tuple[int, int] | None, dice: Random) -> bytes:
    if kind == "null":
        return b""
    if kind == "boolean":
        return bytes([dice.randrange(2)])
    if kind in ("int", "long"):
        low, high = limits or ((-(2**31), 2**31 - 1) if kind == "int" else (-(2**63), 2**63 - 1))
        return varint(dice.choice((low, high, min(max(dice.randrange(-9, 9), low), high), dice.randint(low, high))))
    if kind in ("float", "double"):
        number = dice.choice((0.0, -0.0, 1.5, float("inf"), float("nan"), dice.uniform(-9, 9)))
        return struct.pack("<f" if kind == "float" else "<d", number)
    return _text(dice.choice(_TEXTS)) if kind == "string" else _text(dice.choice(("", "ab", "\x00\x01")))


def _text(text: str) -> bytes:
    data = text.encode()
    return varint(len(data)) + data
