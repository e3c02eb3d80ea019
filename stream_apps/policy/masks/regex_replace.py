"""`regex_replace`: what a pattern finds is replaced. For text with a form of its own that no other mask knows.

RE2 alone, which takes time linear in the value whatever the pattern. It fails closed: a value in which the pattern finds
nothing, or which is still whole after the replacement, is all stars.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, ValidationInfo, field_validator

from schemas.avro_types import AvroType, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask
from stream_apps.policy.masks.reveal import Reveal
from stream_apps.policy.stars import STAR, hidden

_PROBES = ["", " a\t-b\nA_0.张@z "]
_MARKED = "\x01\\0\x02"
"""What a pattern finds between two marks, which stand beside each other where it finds nothing: between words, say. Such a
pattern would leave a value as it is and only put something between its parts."""
_GROUP = re.compile(r"\\(.)", re.DOTALL)


def replaced_text(text: str, pattern: str, replacement: str) -> str:
    """One text: the definition. RE2 is asked, for Python's own engine is another language, and not linear."""
    value: Any = pa.scalar(text, pa.string())
    found: bool = pc.match_substring_regex(value, pattern).as_py()
    replaced: str = pc.replace_substring_regex(value, pattern, replacement).as_py()
    return replaced if found and text not in replaced else STAR * len(text)


class RegexReplace(Mask):
    """`row(v) == replaced_text(v, self.pattern, self.replacement)`

    Every match is replaced, from the left; `\\\\1` in the replacement is what the first group of the pattern found.
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

    @field_validator("pattern")
    @classmethod
    def _found(cls, pattern: str) -> str:
        """RE2 reads it, and it finds no nothing between characters."""
        try:
            marked: Any = pc.replace_substring_regex(pa.array(_PROBES, pa.string()), pattern, _MARKED)
        except (pa.ArrowException, ValueError):
            raise ValueError("not a pattern RE2 knows / RE2 无法识别的正则") from None
        if pc.any(pc.match_substring(marked, "\x01\x02")).as_py():
            raise ValueError("the pattern also matches nothing at all; make it match something / 正则不可匹配空串")
        return pattern

    @field_validator("replacement")
    @classmethod
    def _groups(cls, replacement: str, given: ValidationInfo) -> str:
        """It names only groups the pattern has."""
        if any(not (c in "0123456789" or c == "\\") for c in _GROUP.findall(replacement)):
            raise ValueError("in a replacement only \\0 to \\9 and \\\\ may follow a \\ / 替换中 \\ 后只能是数字或 \\")
        try:
            if "pattern" in given.data:  # else that is refused
                pc.replace_substring_regex(pa.array(["a"], pa.string()), given.data["pattern"], replacement)
        except (pa.ArrowException, ValueError):
            raise ValueError(
                "a \\ at the end, or a group the pattern does not have / 末尾为 \\ 或正则无此分组"
            ) from None
        return replacement

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings."""
        return primitive(avro) == "string"

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return replaced_text(value, self.pattern, self.replacement)

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
