"""The part of a Chinese address that names a region: province, city, district, street office or township.

Addresses are free text, so province, city and district are those of the list (`divisions`), from the first character on: what
stands before them (a person's name, say) hides all. Where no district is found the city stays, where no street office or
township is found the district. These are too many to list; they are told by their endings, rather too rarely than too often.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.masks.divisions import LONGEST, begun, cities, districts

_DISTRICT_ENDS, _CITY_ENDS = "区县旗市", "省市州盟区"
"""What their names end with."""
_AFTER_CITY = frozenset("场政民中内外东南西北一二三府医")
"""What stands after 市 where it ends no city: 市场, 市政府, 市中心, 市西路 …"""
_NO_STREET = "街镇乡区县旗盟路巷道号栋幢楼组社村"
"""What no street office's or township's name holds: it would begin another part of the address."""
_NO_TOWN = "小古水梦故夜市"
"""What stands before 镇 or 乡 where it is none: 小镇, 古镇, 水乡 …"""


def _but(characters: str) -> str:
    """Chinese characters (URO and extension A) without these, as a character class that Python and RE2 read alike."""
    borders = sorted(map(ord, characters))
    starts, ends = [0x3400, 0x4E00, *(b + 1 for b in borders)], [0x4DBF, *(b - 1 for b in borders), 0x9FFF]
    return "[" + "".join(f"{chr(lo)}-{chr(hi)}" for lo, hi in zip(starts, ends, strict=True) if lo <= hi) + "]"


_NAME = _but(_NO_STREET)
_STREET = f"(?P<street>{_NAME}{{1,9}}(?:街道办事处|街道|苏木)|{_NAME}{{1,8}}{_but(_NO_STREET + _NO_TOWN)}[镇乡])"
_STREET_AT = re.compile(_STREET)


def address_head(text: str, *, street: bool) -> str:
    """The beginning of `text` that names its district (or street office), else its city, else nothing; never all of it."""
    if text[:2] not in _first_two():
        return ""
    return next((text[:end] for end in _ends(text, street) if 0 < end < len(text)), "")


@dataclass(frozen=True, slots=True)
class _Regions:
    """Names of one level, their beginnings, and where they may end."""

    names: frozenset[str]
    begun: frozenset[str]
    ends: re.Pattern[str]

    @classmethod
    def of(cls, names: frozenset[str], ends: str) -> _Regions:
        return cls(names, begun(names, ends), re.compile(f"[{ends}]"))

    def within(self, text: str) -> Iterator[int]:
        """How many characters each of them has that `text` begins with, the shortest first."""
        for found in self.ends.finditer(text, 0, LONGEST):
            head = text[: found.end()]
            if head in self.names:
                yield found.end()
            if head not in self.begun:
                return


@cache
def _districts() -> _Regions:
    return _Regions.of(districts(), _DISTRICT_ENDS)


@cache
def _cities() -> _Regions:
    return _Regions.of(cities(), _CITY_ENDS)


@cache
def _first_two() -> frozenset[str]:
    """What any region begins with: most texts that name none are told by it."""
    return frozenset(name[:2] for name in districts() | cities())


def _ends(text: str, street: bool) -> Iterator[int]:
    """How many characters name a region, the smallest one first."""
    end = _district(text)
    found = _STREET_AT.match(text, end) if street and end else None
    yield found.end() if found else 0
    yield end
    yield _city(text)


def _district(text: str) -> int:
    return next(_districts().within(text), 0)


def _city(text: str) -> int:
    ends = reversed([*_cities().within(text)])
    return next((end for end in ends if text[end - 1] != "市" or text[end : end + 1] not in _AFTER_CITY), 0)


def address_heads(column: Any, *, street: bool) -> Any:
    """`address_head` of every value; null for null. Values of which their beginning does not tell are looked at one by one."""
    told = _told(column)
    lengths = pc.fill_null(pc.utf8_length(column), 0).to_numpy()
    told[np.abs(told) >= lengths] = _OPEN
    out = pa.array([""] * len(column), pa.string())
    for end in np.unique(told[told != 0]).tolist():
        rows = pa.array(told == end)
        part = column.filter(rows)
        shown = _apart(part, street) if end == _OPEN else _cut(part, abs(end), street and end > 0)
        out = pc.replace_with_mask(out, rows, shown)
    return pc.if_else(column.is_valid(), out, None)


_OPEN, _BEGUN = 1000, 1001
"""The beginning does not tell; it is that of a district."""


def _told(column: Any) -> Any:
    """What their beginnings tell of the values: the number of characters of a district, that of a city below 0, 0: no region.

    Most addresses name their district before the second 区, 县, 旗 or 市, and there are few such beginnings: each is looked at
    once.
    """
    told = _each_once(column, 1, _first)
    rows = np.flatnonzero(told == _BEGUN)
    if len(rows):
        told[rows] = _each_once(column.take(rows), 2, _second)
        rows = rows[told[rows] == 0]
    if len(rows):
        part = column.take(rows)
        other = pc.match_substring_regex(part, f"^{_UP_TO}[{''.join(sorted(_AFTER_CITY))}]")
        told[rows] = np.where(other.to_numpy(zero_copy_only=False), _OPEN, _each_once(part, 1, _city_alone))
    return told


_UP_TO = f"[^{_DISTRICT_ENDS}]*[{_DISTRICT_ENDS}]"


def _each_once(column: Any, ends: int, tell: Callable[[str | None], int]) -> Any:
    """What is told by the beginnings of the values as far as so many characters a district may end with."""
    found = pc.struct_field(pc.extract_regex(column, f"^(?P<beginning>{_UP_TO * ends})"), "beginning")
    beginnings = pc.dictionary_encode(found)
    told = np.array([*map(tell, beginnings.dictionary.to_pylist()), tell(None)], np.int64)
    return told[pc.fill_null(beginnings.indices, len(told) - 1).to_numpy()]


def _first(beginning: str | None) -> int:
    if beginning is None:
        return _OPEN
    if beginning in _districts().names:
        return len(beginning)
    if beginning in _districts().begun:
        return _BEGUN
    if beginning[:2] not in _first_two():
        return 0
    city = _city(beginning)
    return _OPEN if city == len(beginning) or beginning in _cities().begun else -city


def _second(beginning: str | None) -> int:
    if beginning is None:
        return 0
    if beginning in _districts().names:
        return len(beginning)
    return _OPEN if beginning in _districts().begun else 0


def _city_alone(beginning: str | None) -> int:
    sure = beginning is not None and beginning in _cities().names and beginning not in _cities().begun
    return -len(beginning) if sure and beginning else _OPEN


def _cut(column: Any, end: int, street: bool) -> Any:
    """The heads of values whose region ends after so many characters, which is not all of any."""
    head = pc.utf8_slice_codeunits(column, 0, end)
    if not street:
        return head
    rest = pc.utf8_slice_codeunits(column, end)
    found = pc.fill_null(pc.struct_field(pc.extract_regex(rest, f"^{_STREET}"), "street"), "")
    return pc.binary_join_element_wise(head, pc.if_else(pc.equal(found, rest), "", found), "")


def _apart(column: Any, street: bool) -> Any:
    encoded = pc.dictionary_encode(column)
    heads = [address_head(text, street=street) for text in encoded.dictionary.to_pylist()]
    return pa.array(heads, pa.string()).take(encoded.indices)
