"""What `partial` keeps of a person's name: the surname.

A compound surname keeps both its characters, but only where a given name follows: 欧阳 alone may be one 欧 and one 阳. A
name with · (as Uyghur, Kazakh and Tibetan names are written) begins with the given name, so only its first character stays,
and the dots, which show how it is built.
"""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.stars import STAR, hidden, starred, starred_text

DOT = "·"
_DOTS = frozenset("·•・‧･∙")
"""Code points typed for the dot of a name; one is as good as the other."""
_COMPOUND = frozenset(
    [
        "欧阳",
        "太史",
        "端木",
        "上官",
        "司马",
        "东方",
        "独孤",
        "南宫",
        "万俟",
        "闻人",
        "夏侯",
        "诸葛",
        "尉迟",
        "公羊",
        "赫连",
        "澹台",
        "皇甫",
        "宗政",
        "濮阳",
        "公冶",
        "太叔",
        "申屠",
        "公孙",
        "慕容",
        "仲孙",
        "钟离",
        "长孙",
        "宇文",
        "司徒",
        "鲜于",
        "司空",
        "闾丘",
        "子车",
        "亓官",
        "司寇",
        "巫马",
        "公西",
        "颛孙",
        "壤驷",
        "公良",
        "漆雕",
        "乐正",
        "宰父",
        "谷梁",
        "拓跋",
        "夹谷",
        "轩辕",
        "令狐",
        "段干",
        "百里",
        "呼延",
        "东郭",
        "南门",
        "羊舌",
        "微生",
        "公户",
        "公玉",
        "公仪",
        "梁丘",
        "公仲",
        "公上",
        "公门",
        "公山",
        "公坚",
        "左丘",
        "公伯",
        "西门",
        "公祖",
        "第五",
        "公乘",
        "贯丘",
        "公皙",
        "南荣",
        "东里",
        "东宫",
        "仲长",
        "子书",
        "子桑",
        "即墨",
        "达奚",
        "褚师",
        "纳兰",
        "歐陽",
        "司馬",
        "東方",
        "獨孤",
        "南宮",
        "萬俟",
        "聞人",
        "諸葛",
        "尉遲",
        "澹臺",
        "濮陽",
        "公孫",
        "仲孫",
        "鍾離",
        "長孫",
        "鮮于",
        "軒轅",
    ]
)


_NO_LETTER = " \t\u3000'’.\u0300-\u036f\ufe00-\ufe0f\U000e0100-\U000e01ef-"
"""What may stand in a name and begins none: behind 欧阳 it makes no given name."""
_HAS_GIVEN = re.compile(f"..[^{_NO_LETTER}]", re.DOTALL)
_A_DOT, _NO_DOT = (f"[{sign}{''.join(sorted(_DOTS))}]" for sign in ("", "^"))


def name_text(name: str) -> str:
    """One name: the definition."""
    if not _DOTS.intersection(name):
        return starred_text(name, 2 if name[:2] in _COMPOUND and _HAS_GIVEN.match(name) else 1, 0)
    rest = "".join(DOT if c in _DOTS else STAR for c in name[1:])
    return name[0] + rest if STAR in rest and name[0] not in _DOTS else STAR * len(name)


def name_column(column: Any) -> Any:
    """A column of names: most are one surname of one character, the others are looked at apart."""
    out = starred(column, 1, 0)
    compound: Any = pc.is_in(pc.utf8_slice_codeunits(column, 0, 2), value_set=pa.array(sorted(_COMPOUND), pa.string()))
    if pc.any(compound).as_py():
        given = pc.match_substring_regex(column, rf"\A(?s:..)[^{_NO_LETTER}]")
        out = pc.if_else(pc.and_(compound, given), starred(column, 2, 0), out)
    dotted: Any = pc.fill_null(pc.match_substring_regex(column, _A_DOT), False)
    if not pc.any(dotted).as_py():
        return out
    return pc.replace_with_mask(out, dotted, _dotted(column.filter(dotted)))


def _dotted(column: Any) -> Any:
    first, rest = pc.utf8_slice_codeunits(column, 0, 1), pc.utf8_slice_codeunits(column, 1)
    rest = pc.replace_substring_regex(pc.replace_substring_regex(rest, _NO_DOT, STAR), _A_DOT, DOT)
    shows = pc.and_(pc.match_substring(rest, STAR), pc.invert(pc.match_substring_regex(first, _A_DOT)))
    return pc.if_else(shows, pc.binary_join_element_wise(first, rest, ""), hidden(column))
