"""What `partial` keeps of a person's name: the surname.

A compound surname keeps both its characters, but only where a given name follows: 欧阳 alone may be one 欧 and one 阳. A
name with · (as Uyghur, Kazakh and Tibetan names are written) begins with the given name, so only its first character stays,
and the dots, which show how it is built.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from stream_apps.policy.stars import STAR, starred, starred_text

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


def name_text(name: str) -> str:
    """One name: the definition."""
    if not _DOTS.intersection(name):
        return starred_text(name, 2 if len(name) > 2 and name[:2] in _COMPOUND else 1, 0)
    rest = "".join(DOT if c in _DOTS else STAR for c in name[1:])
    return name[0] + rest if STAR in rest and name[0] not in _DOTS else STAR * len(name)


def name_column(column: Any) -> Any:
    """A column of names: most are one surname of one character, the others are looked at apart."""
    out = starred(column, 1, 0)
    heads = pc.utf8_slice_codeunits(column, 0, 2)
    compound: Any = pc.is_in(heads, value_set=pa.array(sorted(_COMPOUND), pa.string()))
    odd: Any = pc.or_(compound, pc.match_substring_regex(column, f"[{''.join(sorted(_DOTS))}]"))
    odd = pc.fill_null(odd, False)
    if not pc.any(odd).as_py():
        return out
    shown = [name_text(name) for name in column.filter(odd).to_pylist()]
    return pc.replace_with_mask(out, odd, pa.array(shown, pa.string()))
