"""`regex_replace`: what a pattern finds is replaced. For text with a form of its own that no other mask knows.

RE2 alone, which takes time linear in the value whatever the pattern. It fails closed: a value in which the pattern finds
nothing, or which is still whole after the replacement, is all stars.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from schemas.avro_types import AvroType, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask
from stream_apps.policy.masks.reveal import Reveal
from stream_apps.policy.stars import hidden

_GROUP = re.compile(r"\\(.)", re.DOTALL)


class RegexReplace(Mask):
    """`row(v) == self.columns(pa.array([v], pa.string()), keys)[0].as_py()`

    RE2 itself is the definition: Python's own engine is another language, and not linear. Every match is replaced, from
    the left; `\\\\1` in the replacement is what the first group of the pattern found.
    """

    name: ClassVar[str] = "regex_replace"
    about: ClassVar[About] = About(
        does=Text(
            "what a pattern (RE2) finds is replaced; a value without a match is all stars",
            "按 RE2 正则替换匹配部分; 不匹配的值整体以 * 代替",
        ),
        of=Text("strings", "文本"),
        examples=(
            Example(
                r"{mask: regex_replace, pattern: '[0-9]+号.*', replacement: '**号'}",
                "中华北路12号3单元",
                "中华北路**号",
            ),
            Example(r"{mask: regex_replace, pattern: '(No\.)[0-9]+', replacement: '\1*'}", "No.12/No.7", "No.*/No.*"),
            Example(r"{mask: regex_replace, pattern: '[0-9]+号.*', replacement: '**号'}", "中华北路", "****"),
        ),
        parameters=(
            ("pattern", Text("what to find, in RE2's syntax; at most 200 characters", "RE2 正则, 最长 200 个字符")),
            (
                "replacement",
                Text("what stands instead; \\1 is what the first group found", "替换为; \\1 表示第一个分组"),
            ),
        ),
    )
    pattern: str = Field(min_length=1, max_length=200)
    replacement: str = Field(max_length=200)

    @model_validator(mode="after")
    def _readable(self) -> RegexReplace:
        """RE2 reads the pattern, its replacement names groups it has, and it does not match nothing everywhere."""
        try:
            empty: Any = pc.match_substring_regex(pa.array([""], pa.string()), self.pattern)
            pc.replace_substring_regex(pa.array(["a"], pa.string()), self.pattern, self.replacement)
        except (pa.ArrowException, ValueError):
            raise ValueError(
                "not a pattern RE2 knows, or a replacement with a group it does not have / RE2 无法识别的正则或替换"
            ) from None
        if empty[0].as_py():
            raise ValueError("the pattern also matches nothing at all; make it match something / 正则不可匹配空串")
        if any(not (c.isdigit() or c == "\\") for c in _GROUP.findall(self.replacement)):
            raise ValueError("in a replacement only \\0 to \\9 and \\\\ may follow a \\ / 替换中 \\ 后只能是数字或 \\")
        return self

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings."""
        return primitive(avro) == "string"

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return self.columns(pa.array([value], pa.string()), keys)[0].as_py()

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """Replaced where the pattern finds something and something of the value went; stars elsewhere."""
        replaced = pc.replace_substring_regex(column, self.pattern, self.replacement)
        found = pc.and_(pc.match_substring_regex(column, self.pattern), pc.invert(_still_whole(replaced, column)))
        return replaced if pc.all(found).as_py() is not False else pc.if_else(found, replaced, hidden(column))

    def reveals(self) -> Reveal:
        """A part that only this pattern knows."""
        return Reveal("part", grain=f"regex:{self.pattern}\0{self.replacement}")


def _still_whole(replaced: Any, column: Any) -> Any:
    """Whether a value stands whole in what was made of it. Longer results are rare and looked at one by one."""
    longer = pc.greater_equal(pc.binary_length(replaced), pc.binary_length(column))
    if not pc.any(longer).as_py():
        return longer
    pairs = zip(replaced.to_pylist(), column.to_pylist(), strict=True)
    return pa.array([None if old is None else old in new for new, old in pairs], pa.bool_())
