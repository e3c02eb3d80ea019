"""What `partial` keeps of the values people are known by. A value that does not look like its kind shows nothing.

Each preset says what it keeps of one text (`row`, the definition), what of a column (`columns`), and how many characters
from either end it can keep at the most, for the contract's bounds. Both follow one rule: look whether the value is of the
kind, take its head and its tail, hide what is between. Nothing to hide: all of it is hidden.

    name       姓名              the surname, of two characters where it is a known compound one and a given name follows;
                                 of a name with · (as Uyghur and Tibetan names have) the first character, and the dots
    id         身份证号          6 and 4: division and sequence; of 15 digits 6 and 3. The birth date is hidden
    mobile     手机号            3 and 4
    landline   固定电话          the area code, if there is one, and 2
    bank_card  银行卡            6 and 4 of 15 to 19 digits: the most that PCI DSS allows to be shown
    email      邮箱              1, and from the @ on
    plate      车牌              2 and 1
    address    地址              down to the district (or, as `level` says, the street); 小区 and the like are no districts
    uscc       统一社会信用代码   8 and 2: department, type and division, and the end
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.masks.address import address_head, address_heads
from stream_apps.policy.masks.person_name import name_column, name_text
from stream_apps.policy.stars import STAR, between, hidden, starred, starred_text

_MOST = 64
"""Where a preset keeps a part of no fixed length, it keeps no more than this: a longer one is hidden."""


@dataclass(frozen=True, slots=True)
class Preset:
    """See the module. `first` and `last`: the most characters kept from either end; `fixed`: always just these."""

    row: Callable[[str], str]
    columns: Callable[[Any], Any]
    first: int
    last: int
    fixed: bool = False


def _ends(pattern: str, first: int, last: int, other: tuple[str, int, int] | None = None) -> Preset:
    """Fixed ends of values of one form, and perhaps of those of a second form."""
    forms = [(pattern, first, last), *([] if other is None else [other])]
    whole = [(re.compile(rf"(?:{p})\Z", re.ASCII), a, b) for p, a, b in forms]

    def row(text: str) -> str:
        for form, a, b in whole:
            if form.match(text):
                return starred_text(text, a, b)
        return starred_text(text, 0, 0)

    def columns(column: Any) -> Any:
        out = hidden(column)
        for p, a, b in reversed(forms):
            fits = pc.match_substring_regex(column, rf"\A(?:{p})\z")
            out = pc.if_else(fits, starred(column, a, b), out) if pc.any(fits).as_py() else out
        return out

    return Preset(row, columns, first, last, fixed=other is None)


def _cut(pattern: str) -> Preset:
    """Values of a form with the groups `head` and `tail`; between them is what is hidden, at least one character."""
    form = re.compile(rf"(?:{pattern})\Z", re.ASCII)

    def row(text: str) -> str:
        found = form.match(text)
        if found is None or max(len(found["head"]), len(found["tail"])) > _MOST:
            return starred_text(text, 0, 0)
        return found["head"] + STAR * (len(text) - len(found["head"]) - len(found["tail"])) + found["tail"]

    def columns(column: Any) -> Any:
        parts = pc.extract_regex(column, rf"\A(?:{pattern})\z")
        head, tail = pc.struct_field(parts, "head"), pc.struct_field(parts, "tail")
        most: Any = pc.max_element_wise(pc.utf8_length(head), pc.utf8_length(tail), skip_nulls=False)
        shown = pc.if_else(pc.less_equal(most, pa.scalar(_MOST, pa.int32())), between(column, head, tail), None)
        return pc.coalesce(shown, hidden(column))

    return Preset(row, columns, _MOST, _MOST)


_LANDLINE = r"(?P<head>(?:\(?(?:010|02[0-9]|0[3-9][0-9]{2})\)?[\- ]?)?)[1-9][0-9]{4,5}(?P<tail>[0-9]{2})"
_NO_SPACE = r"[^@ \t\n\v\f\r]"
"""Written out: Python's \\s and RE2's are not the same."""
_LETTER = "A-Za-z\u3400-\u9fff"
_DOMAIN = rf"(?:[0-9{_LETTER}-]+\.)+[{_LETTER}][0-9{_LETTER}-]*[0-9{_LETTER}]"
"""Ends in a top domain: what else stands behind an @ (微信@13912345678) is no domain, and hidden."""
_EMAIL = rf"(?P<head>{_NO_SPACE}){_NO_SPACE}+(?P<tail>@{_DOMAIN})"


def address(level: str) -> Preset:
    """Of an address, what lies above the street number: down to the district, or to the street office or township."""
    street = level == "street"

    def row(text: str) -> str:
        head = address_head(text, street=street)
        return head + STAR * (len(text) - len(head))

    def columns(column: Any) -> Any:
        head = address_heads(column, street=street)
        return between(column, head, pc.if_else(pc.is_valid(head), "", None))

    return Preset(row, columns, _MOST, 0)


PRESETS: dict[str, Preset] = {
    "name": Preset(name_text, name_column, 2, 0),
    "id": _ends(r"[0-9]{17}[0-9Xx]", 6, 4, (r"[0-9]{15}", 6, 3)),
    "mobile": _ends(r"1[3-9][0-9]{9}", 3, 4),
    "landline": _cut(_LANDLINE),
    "bank_card": _ends(r"[0-9]{15,19}", 6, 4),
    "email": _cut(_EMAIL),
    "plate": _ends(r"[一-鿿][A-Z][A-Z0-9]{5,6}", 2, 1),
    "address": address("district"),
    "uscc": _ends(r"[0-9A-HJ-NPQRTUWXY]{18}", 8, 2),
}

CHINESE: dict[str, str] = {
    "姓名": "name",
    "身份证号": "id",
    "手机号": "mobile",
    "固定电话": "landline",
    "银行卡": "bank_card",
    "邮箱": "email",
    "车牌": "plate",
    "地址": "address",
    "统一社会信用代码": "uscc",
}
"""What a grant may write instead."""
