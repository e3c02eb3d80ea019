"""Texts, bytes and JSON trees, changed as hostile or careless hands would. Every choice comes from the dice given."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from random import Random
from typing import Any

ODD_TEXTS = (
    "", " ", "a", "A", "id", "_id", "a.b", "a" * 300, "\x00", "\x1b[31m", "\u202e", "\ud800", "𠮷", "云岩区", "（", "'", '"', "null", "string",
    "record", "Row", "Key", "Operation", "bytes", "pass", "date-to-year", "2026-02-30", "9999-12-31", "0001-01-01", "1e999", "NaN",
)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, float("inf"), float("nan"), [], {}, [[]], [None], {"": ""},
    "int", ["null"], ["null", "int"], ["null", "null"], [["null"]], {"type": "int"}, {"type": {"type": "int"}}, {"type": "bytes"},
    {"type": "array", "items": "null"}, {"type": "map", "values": "bytes"}, {"type": "int", "logicalType": "date"},
    {"type": "long", "logicalType": "timestamp-micros"}, {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    {"type": "enum", "name": "Colour", "symbols": ["R", "G"]}, {"type": "fixed", "name": "Four", "size": 4},
    {"type": "string", "logicalType": "uuid"}, {"type": "record", "name": "Inner", "fields": [{"name": "x", "type": "int"}]},
    {"mask": "partial", "keep_first": 1}, {"mask": "truncate", "length": 2}, {"mask": "bucket", "edges": [0, 5]}, "pseudonym", "drop",
)  # fmt: skip
_BYTES = (
    b"\x00",
    b"\xff",
    b"\x80",
    b"\x01",
    b"\x02",
    b"\x7f",
    b"\xff" * 9 + b"\x01",
    b"\xff" * 10,
    b"\xc0\x80",
    b"\xed\xa0\x80",
)


def changed_bytes(data: bytes, dice: Random) -> bytes:
    """Bits flipped, bytes put in, taken out, doubled, cut off."""
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(data) + 1)
        end = min(len(data), at + dice.choice((1, 1, 2, 8)))
        what = dice.randrange(6)
        if what == 0 and data:
            at = at % len(data)
            data = data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :]
        elif what == 1:
            data = data[:at] + dice.choice(_BYTES) + data[at:]
        elif what == 2:
            data = data[:at] + data[end:]
        elif what == 3:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif what == 4:
            data = data[:at] + dice.choice(_BYTES) + data[end:]
        else:
            data = data[:at]
    return data


def changed_text(text: str, dice: Random, pieces: Sequence[str]) -> str:
    """Pieces put in, parts taken out, doubled, moved, replaced."""
    for _ in range(dice.choice((1, 1, 2, 4))):
        at = dice.randrange(len(text) + 1)
        end = min(len(text), at + dice.choice((1, 1, 3, 10, 40)))
        to = dice.randrange(len(text) + 1)
        piece = (
            dice.choice(pieces)
            if dice.random() < 0.8
            else chr(dice.choice((dice.randrange(128), dice.randrange(0x3000))))
        )
        text = (
            text[:at] + piece + text[at:],
            text[:at] + text[end:],
            text[:at] + piece + text[end:],
            text[:to] + text[at:end] + text[to:],
            text[:at] + text[at:end] * dice.choice((2, 2, 30)) + text[end:],
        )[dice.randrange(5)]
    return text


def changed_tree(tree: Any, dice: Random, donors: Sequence[Any], times: Sequence[int] = (1, 1, 2, 4)) -> Any:
    """A copy of a JSON tree with some of its places replaced, renamed, removed, doubled or filled from a donor."""
    tree = copy.deepcopy(tree)
    for _ in range(dice.choice(times)):
        places = list(_places(tree))
        if not places:
            break
        holder, key = dice.choice(places)
        _change(holder, key, dice, donors)
    return tree


def _change(holder: Any, key: Any, dice: Random, donors: Sequence[Any]) -> None:
    what = dice.randrange(6)
    if what == 0:
        del holder[key]
    elif what == 1:
        holder[key] = copy.deepcopy(dice.choice(ODD_VALUES))
    elif what == 2:
        holder[key] = dice.choice(ODD_TEXTS)
    elif what == 3:
        from_, at = dice.choice(list(_places(dice.choice(donors))))
        holder[key] = copy.deepcopy(from_[at])
    elif what == 4 and isinstance(holder, dict):
        new = dice.choice((*ODD_TEXTS, *(k for h, k in _places(dice.choice(donors)) if isinstance(k, str))))
        holder[new] = holder.pop(key)
    elif isinstance(holder, list):
        holder.insert(dice.randrange(len(holder) + 1), copy.deepcopy(holder[key]))
    else:
        holder[key] = [copy.deepcopy(holder[key])]


def _places(tree: Any) -> Any:
    """Every (container, key) of a tree."""
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        if isinstance(at, (dict, list)):
            for key, value in list(at.items()) if isinstance(at, dict) else list(enumerate(at)):
                yield at, key
                waiting.append(value)
