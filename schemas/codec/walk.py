"""A compiled walker over one Avro value: proves that it is well-formed and bounded, and touches nothing else.

Native code must not see a block count before something has compared it with the bytes there are; and where a whole batch
fails, the walker says which value is to blame and why.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from schemas.avro_types import least_bytes
from schemas.codec.arrow_types import decimal_of
from schemas.codec.model import FREE_BYTES, MAX_GROWTH, Reason
from schemas.codec.ranges import range_of

_Step = Callable[[bytes, int, list[int]], int]
"""(data, position, bytes of memory spent so far, in a list of one) -> position after the value."""


_KEY_WIDTH = 16
_EMPTY_ITEM = 64
"""What an item that takes no bytes is charged with: nothing on the wire limits how many there are."""


class Unwell(Exception):
    """The value is not well-formed; `reason` says how."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.value)
        self.reason = reason


def walker(tree: Any) -> Callable[[bytes, int], Reason | None]:
    """For an expanded schema: a function of (value, start of its body) that gives None if the rest of the value is
    exactly one well-formed record, else the reason."""
    step = _step(tree)

    def walk(data: bytes, at: int) -> Reason | None:
        try:
            end = step(data, at, [0])
        except IndexError:
            return Reason.TRUNCATED
        except UnicodeDecodeError:
            return Reason.BAD_UTF8
        except Unwell as unwell:
            return unwell.reason
        return None if end == len(data) else Reason.TRAILING_BYTES if end < len(data) else Reason.TRUNCATED

    return walk


def repeats(tree: Any) -> bool:
    """Whether the schema holds arrays or maps: values whose decoded size is not bounded by the schema alone."""
    if isinstance(tree, list):
        return any(repeats(b) for b in tree)
    if not isinstance(tree, dict):
        return False
    return tree["type"] in ("array", "map") or any(repeats(f["type"]) for f in tree.get("fields", []))


def width(tree: Any) -> int:
    """Bytes of memory a value of this type takes in columns, less what its bytes on the wire account for."""
    if isinstance(tree, list):
        return 1 + sum(width(b) for b in tree)
    if isinstance(tree, dict) and tree["type"] == "record":
        return 1 + sum(width(f["type"]) for f in tree["fields"])
    if tree == "null":
        return 0
    return 16 + (int(tree["size"]) if isinstance(tree, dict) and tree["type"] == "fixed" else 0)


def _long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    at += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), at
    raw, shift = byte & 0x7F, 7
    while True:
        byte = data[at]
        at += 1
        raw |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise Unwell(Reason.MALFORMED)
    if raw >> 64:
        raise Unwell(Reason.MALFORMED)
    return (raw >> 1) ^ -(raw & 1), at


def _walk_long(data: bytes, at: int, _: list[int]) -> int:
    return _long(data, at)[1]


def _walk_int(data: bytes, at: int, _: list[int]) -> int:
    value, at = _long(data, at)
    if not -(1 << 31) <= value < 1 << 31:
        raise Unwell(Reason.MALFORMED)
    return at


def _ranged(low: int, high: int) -> _Step:
    def walk(data: bytes, at: int, _: list[int]) -> int:
        value, at = _long(data, at)
        if not low <= value <= high:
            raise Unwell(Reason.MALFORMED)
        return at

    return walk


def _walk_boolean(data: bytes, at: int, _: list[int]) -> int:
    if data[at] > 1:
        raise Unwell(Reason.MALFORMED)
    return at + 1


def _sized(data: bytes, at: int) -> tuple[int, int]:
    size, at = _long(data, at)
    if size < 0:
        raise Unwell(Reason.MALFORMED)
    if size > len(data) - at:
        raise Unwell(Reason.TRUNCATED)
    return at, at + size


def _walk_bytes(data: bytes, at: int, _: list[int]) -> int:
    return _sized(data, at)[1]


def _walk_string(data: bytes, at: int, _: list[int]) -> int:
    start, end = _sized(data, at)
    data[start:end].decode()
    return end


def _walk_null(_data: bytes, at: int, _: list[int]) -> int:
    return at


def _exactly(size: int) -> Callable[[bytes, int], tuple[int, int]]:
    def window(data: bytes, at: int) -> tuple[int, int]:
        if size > len(data) - at:
            raise Unwell(Reason.TRUNCATED)
        return at, at + size

    return window


def _fixed(size: int) -> _Step:
    window = _exactly(size)
    return lambda data, at, _: window(data, at)[1]


_STEPS: dict[str, _Step] = {
    "null": _walk_null,
    "boolean": _walk_boolean,
    "int": _walk_int,
    "long": _walk_long,
    "float": _fixed(4),
    "double": _fixed(8),
    "bytes": _walk_bytes,
    "string": _walk_string,
}


def _decimal(raw: Callable[[bytes, int], tuple[int, int]], precision: int) -> _Step:
    limit = 10**precision

    def walk(data: bytes, at: int, _: list[int]) -> int:
        start, end = raw(data, at)
        if start == end or abs(int.from_bytes(data[start:end], "big", signed=True)) >= limit:
            raise Unwell(Reason.MALFORMED)
        return end

    return walk


def _step(tree: Any) -> _Step:
    digits = decimal_of(tree)
    if digits:
        return _decimal(_sized if tree["type"] == "bytes" else _exactly(int(tree["size"])), digits[0])
    limits = range_of(tree)
    if limits:
        return _ranged(*limits)
    if isinstance(tree, list):
        return _union([_step(b) for b in tree])
    kind = tree if isinstance(tree, str) else tree["type"]
    if kind == "record":
        return _record([_step(f["type"]) for f in tree["fields"]])
    if kind == "enum":
        return _enum(len(tree["symbols"]))
    if kind == "array":
        return _blocks(_step(tree["items"]), width(tree["items"]), least_bytes(tree["items"]))
    if kind == "map":
        return _map(_step(tree["values"]), _KEY_WIDTH + width(tree["values"]), least_bytes(tree["values"]))
    return _fixed(int(tree["size"])) if kind == "fixed" else _STEPS[kind]


def _record(steps: list[_Step]) -> _Step:
    def walk(data: bytes, at: int, spent: list[int]) -> int:
        for step in steps:
            at = step(data, at, spent)
        return at

    return walk


def _union(steps: list[_Step]) -> _Step:
    count = len(steps)

    def walk(data: bytes, at: int, spent: list[int]) -> int:
        branch, at = _long(data, at)
        if not 0 <= branch < count:
            raise Unwell(Reason.MALFORMED)
        return steps[branch](data, at, spent)

    return walk


def _enum(count: int) -> _Step:
    def walk(data: bytes, at: int, _: list[int]) -> int:
        symbol, at = _long(data, at)
        if not 0 <= symbol < count:
            raise Unwell(Reason.MALFORMED)
        return at

    return walk


def _block(data: bytes, at: int, spent: list[int], each: int, least: int) -> tuple[int, int, int | None]:
    """A block's item count, where its items begin, and where it says they end (if it says so).

    each   bytes of memory an item takes
    least  bytes on the wire an item takes at least
    """
    count, at = _long(data, at)
    end = None
    if count < 0:
        count = -count
        size, at = _long(data, at)
        if size < 0:
            raise Unwell(Reason.MALFORMED)
        end = at + size
        if end > len(data):
            raise Unwell(Reason.TRUNCATED)
    if count * least > len(data) - at:
        raise Unwell(Reason.TRUNCATED)
    spent[0] += count * (each if least else _EMPTY_ITEM)
    if spent[0] > FREE_BYTES + MAX_GROWTH * len(data):
        raise Unwell(Reason.TOO_LARGE)
    return count, at, end


def _blocks(item: _Step, each: int, least: int) -> _Step:
    def walk(data: bytes, at: int, spent: list[int]) -> int:
        while True:
            count, at, end = _block(data, at, spent, each, least)
            if count == 0:
                return at
            for _ in range(count):
                at = item(data, at, spent)
            if end is not None and at != end:
                raise Unwell(Reason.MALFORMED)

    return walk


def _map(value: _Step, each: int, least: int) -> _Step:
    def walk(data: bytes, at: int, spent: list[int]) -> int:
        keys: set[bytes] = set()
        while True:
            count, at, end = _block(data, at, spent, each, 1 + least)
            if count == 0:
                return at
            for _ in range(count):
                start, at = _sized(data, at)
                key = data[start:at]
                key.decode()
                if key in keys:
                    raise Unwell(Reason.MALFORMED)
                keys.add(key)
                at = value(data, at, spent)
            if end is not None and at != end:
                raise Unwell(Reason.MALFORMED)

    return walk
