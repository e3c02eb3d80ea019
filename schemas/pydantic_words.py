"""What pydantic finds wrong, in both languages: by the type of the error and its context, never by its English.

The wrong value itself is never told: it may be a secret, or a person's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from schemas.text import Text

_OURS = "value_error"
"""A ValueError of a validator of ours: it says `english / 中文` itself, or is in English alone."""
_TWO = re.compile(r"(?P<en>.+) / (?P<zh>.*[\u4e00-\u9fff].*)", re.DOTALL)

_CHINESE: Mapping[str, str] = {
    "missing": "缺少必填项",
    "extra_forbidden": "未知的键, 请检查拼写",
    "invalid_key": "键须为文本",
    "none_required": "须为空值",
    **dict.fromkeys(("string_type", "string_sub_type", "string_unicode"), "须为文本"),
    "string_too_short": "至少 {min_length} 个字符",
    "string_too_long": "至多 {max_length} 个字符",
    "string_pattern_mismatch": "文本格式须符合 {pattern}",
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "须为整数"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), "须为数值"),
    "finite_number": "须为有限数值",
    **dict.fromkeys(("bool_type", "bool_parsing"), "须为 true 或 false"),
    "greater_than": "须大于 {gt}",
    "greater_than_equal": "须大于或等于 {ge}",
    "less_than": "须小于 {lt}",
    "less_than_equal": "须小于或等于 {le}",
    "multiple_of": "须为 {multiple_of} 的倍数",
    **dict.fromkeys(("literal_error", "enum"), "须为 {expected}"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"), "须为列表"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "须为键值结构"),
    "dataclass_type": "须为键值结构",
    "too_short": "至少 {min_length} 项",
    "too_long": "至多 {max_length} 项",
    **dict.fromkeys(("date_type", "date_parsing"), "须为有效日期, 写作 YYYY-MM-DD"),
    **dict.fromkeys(("date_from_datetime_parsing", "date_from_datetime_inexact"), "须为有效日期, 写作 YYYY-MM-DD"),
    **dict.fromkeys(("datetime_type", "datetime_parsing"), "须为有效的日期与时间"),
    "bytes_type": "须为字节",
    "json_invalid": "不是有效的 JSON",
    "union_tag_not_found": "缺少类别",
    "union_tag_invalid": "类别须为 {expected_tags}",
}
"""By error type; what stands in braces is of the error's context and never the value."""

_TELLS_THE_VALUE: Mapping[str, str] = {"union_tag_invalid": "Input should be one of {expected_tags}"}
"""English of ours where pydantic's would quote the value."""


class Wrong(NamedTuple):
    """place: keys and indices from the outermost. words: what is wrong there, without a full stop."""

    place: tuple[str, ...]
    words: Text


def first_wrong(error: ValidationError) -> Wrong:
    """The first wrong place."""
    first = error.errors(include_input=False, include_url=False)[0]
    words = _words(first["type"], first["msg"], first.get("ctx", {}))
    return Wrong(tuple(str(step) for step in first["loc"]), words)


def _words(kind: str, message: str, context: Mapping[str, Any]) -> Text:
    if kind == _OURS:
        own = message.removeprefix("Value error, ")
        both = _TWO.fullmatch(own)
        return Text(both["en"], both["zh"]) if both else Text(own, own)
    english = _TELLS_THE_VALUE[kind].format_map(context) if kind in _TELLS_THE_VALUE else message
    chinese = _CHINESE.get(kind)
    if chinese is None:
        return Text(english, f"值不符合要求({kind})")
    filled = chinese.format_map({name: str(value).replace("' or '", "' 或 '") for name, value in context.items()})
    return Text(english, filled)
