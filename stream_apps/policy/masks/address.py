"""The part of a Chinese address that names a region: province, city, district, street office or township.

Addresses are free text, so this looks for the official endings in their order and rather hides too much than too little:
what is not surely a district (小区, 园区, 市场 …) falls back to the city, and what is no region at all is hidden.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_PROVINCES = "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
_PROVINCE = f"(?:(?:{_PROVINCES})(?:省|市|(?:壮族|回族|维吾尔)?自治区|特别行政区)?)?"
_STRUCTURE = "区县旗盟街路巷道号"
"""What no region's name holds: it would begin another part of the address."""


def _characters() -> str:
    """Chinese characters (URO and extension A) but for the structure, as a character class that Python and RE2 read alike."""
    borders = sorted(map(ord, _STRUCTURE))
    starts, ends = [0x3400, 0x4E00, *(b + 1 for b in borders)], [0x4DBF, *(b - 1 for b in borders), 0x9FFF]
    return "".join(f"{chr(lo)}-{chr(hi)}" for lo, hi in zip(starts, ends, strict=True) if lo <= hi)


_NAME = f"[{_characters()}]"
_PARTS = re.compile(
    f"{_PROVINCE}(?:{_NAME}{{1,12}}?(?:市|自治州|盟|地区))?()"
    f"(?:{_NAME}{{1,10}}?(?:自治县|自治旗|县|区|旗|市)()(?:{_NAME}{{1,10}}?(?:街道办事处|街道|镇|乡|苏木)())?)?"
)
"""The empty groups stand where city, district and street office end."""
_CITY, _DISTRICT, _STREET = 1, 2, 3
_NO_DISTRICT = frozenset("小社心园校厂院片库矿景宅舍活属业公务假流技产营住")
"""What stands before 区 where it is no district: 小区, 社区, 园区, 校区 …"""
_AFTER_CITY = frozenset("场政民中内外东南西北一二三府医")
"""What stands after 市 where it ends no city: 市场, 市政府, 市中心, 市西路 …"""


def address_head(text: str, *, street: bool) -> str:
    """The beginning of `text` that names its district (or street office), else its city, else nothing; never all of it."""
    found = _PARTS.match(text)
    assert found is not None  # every part may be absent
    for level in range(_STREET if street else _DISTRICT, 0, -1):
        end = found.end(level)
        if 0 < end < len(text) and _sound(text, end):
            return text[:end]
    return ""


def _sound(text: str, end: int) -> bool:
    if text[end - 1] == "区":
        return text[end - 2] not in _NO_DISTRICT
    return not (text[end - 1] == "市" and text[end] in _AFTER_CITY)


def address_heads(column: Any, *, street: bool) -> Any:
    """`address_head` of every value, each different one looked at once; null for null."""
    encoded = pc.dictionary_encode(column)
    heads = [address_head(text, street=street) for text in encoded.dictionary.to_pylist()]
    return pa.array(heads, pa.string()).take(encoded.indices)
