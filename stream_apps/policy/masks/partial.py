"""`partial`: some characters stay, every other becomes one `*`: the first and last ones, or what a preset for names, identity
numbers, phones and the like keeps.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from schemas.avro_types import AvroType, primitive
from schemas.text import Text
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.masks.mask import About, Example, Mask
from stream_apps.policy.masks.presets import CHINESE, PRESETS, Preset, address
from stream_apps.policy.masks.reveal import Reveal
from stream_apps.policy.stars import starred, starred_text

_MAX_KEPT = 64


class Partial(Mask):
    """`row(v) == self.kept.row(v) if self.preset else starred_text(v, self.keep_first, self.keep_last)`

    Characters are Unicode code points. A value no longer than what would be kept, or one that does not look like what the
    preset is for, is all stars.
    """

    name: ClassVar[str] = "partial"
    about: ClassVar[About] = About(
        does=Text("some characters stay, each other becomes one *", "保留部分字符, 其余每个字符以一个 * 代替"),
        of=Text("strings", "文本"),
        examples=(
            Example("{mask: partial, keep_first: 1}", "欧阳修文", "欧***"),
            Example("{mask: partial, keep_first: 3, keep_last: 4}", "13912345678", "139****5678"),
            Example("{mask: partial, preset: name}", "欧阳修文", "欧阳**"),
            Example("{mask: partial, preset: 姓名}", "阿卜杜拉·买买提", "阿***·***"),
            Example("{mask: partial, preset: id}", "520102199001010014", "520102********0014"),
            Example("{mask: partial, preset: mobile}", "13912345678", "139****5678"),
            Example("{mask: partial, preset: landline}", "0851-85951234", "0851-******34"),
            Example("{mask: partial, preset: bank_card}", "6222024000012345678", "622202*********5678"),
            Example("{mask: partial, preset: email}", "zhang.san@guiyang.gov.cn", "z********@guiyang.gov.cn"),
            Example("{mask: partial, preset: plate}", "贵A12345", "贵A****5"),
            Example("{mask: partial, preset: address}", "贵阳市云岩区中华北路1号", "贵阳市云岩区******"),
            Example(
                "{mask: partial, preset: address, level: street}",
                "贵阳市云岩区普陀街道中华北路1号",
                "贵阳市云岩区普陀街道******",
            ),
            Example("{mask: partial, preset: uscc}", "91520102MA6DL3Q41P", "91520102********1P"),
            Example("{mask: partial, preset: id}", "12345", "*****"),
        ),
        parameters=(
            ("keep_first", Text("characters that stay at the beginning", "保留开头的字符数")),
            ("keep_last", Text("characters that stay at the end", "保留末尾的字符数")),
            (
                "preset",
                Text(
                    "instead of them, what is usual for: " + ", ".join(PRESETS) + " (or the Chinese words)",
                    "或按类别保留: " + "、".join(CHINESE),
                ),
            ),
            (
                "level",
                Text("of an address: down to the district (default) or the street", "地址保留到区县(默认)或街道"),
            ),
        ),
    )
    preset: str | None = None
    level: Literal["district", "street"] | None = None
    keep_first: int = Field(default=0, ge=0, le=_MAX_KEPT, strict=True)
    keep_last: int = Field(default=0, ge=0, le=_MAX_KEPT, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, given: Any) -> Any:
        """A preset keeps what it keeps: its own numbers stand in the fields, so that a contract's bounds bind it."""
        if not isinstance(given, dict) or given.get("preset") is None:
            if isinstance(given, dict) and given.get("level") is not None:
                raise ValueError("level goes with preset: address / level 仅用于 preset: address")
            return given
        name = CHINESE.get(given["preset"], given["preset"]) if isinstance(given["preset"], str) else None
        if name not in PRESETS:
            raise ValueError(f"a preset is one of {', '.join(PRESETS)} / 可用类别: {'、'.join(CHINESE)}")
        kept = PRESETS[name]
        ends = {"keep_first": kept.first, "keep_last": kept.last}
        if any(given.get(end, most) != most for end, most in ends.items()):
            raise ValueError(
                "keep_first and keep_last do not go with a preset / preset 不可与 keep_first、keep_last 同用"
            )
        if name != "address" and given.get("level") is not None:
            raise ValueError("level goes with preset: address / level 仅用于 preset: address")
        level = {"level": given.get("level") or "district"} if name == "address" else {}
        return {**given, **ends, **level, "preset": name}

    @property
    def kept(self) -> Preset:
        """The preset. Only where there is one."""
        assert self.preset is not None
        return address(self.level) if self.level else PRESETS[self.preset]

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """Strings."""
        return primitive(avro) == "string"

    def result(self, avro: AvroType) -> AvroType:
        """A string."""
        return "string"

    def row(self, value: Any, keys: ViewKeys, row_key: str = "") -> Any:
        """See the class."""
        return self.kept.row(value) if self.preset else starred_text(value, self.keep_first, self.keep_last)

    def columns(self, column: Any, keys: ViewKeys, row_keys: Any = None) -> Any:
        """The same of every value."""
        return self.kept.columns(column) if self.preset else starred(column, self.keep_first, self.keep_last)

    def reveals(self) -> Reveal:
        """Beginning and end; of a preset of no fixed ends, its own part."""
        if self.preset and not self.kept.fixed:
            return Reveal("part", grain=f"preset:{self.preset}:{self.level or ''}")
        return Reveal("ends", head=self.keep_first, tail=self.keep_last)
