"""`generalise`: a value made coarser: a date its month, a number its range, a place its county. The parameter `to` says how."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NoReturn

from pydantic import Field, field_validator

from schemas.avro_types import AvroType, logical, primitive
from schemas.codec.arrow_types import decimal_of
from schemas.errors import ConfigError
from schemas.text import Text
from stream_apps.policy.masks.bucket import Bucket, Edges, as_decimal, is_number
from stream_apps.policy.masks.date_to_year import DateToYear
from stream_apps.policy.masks.levels.dates import AgeBand, Period, has_days
from stream_apps.policy.masks.levels.numbers import Cell, Multiple, Step, reach_of
from stream_apps.policy.masks.levels.places import Within
from stream_apps.policy.masks.mask import About, Example, Mask, Place

SHORT = {"bucket": "bucket", "date_to_year": "year"}
"""Masks that are `generalise` by another name, and to what."""

To = Literal["month", "quarter", "year", "age_band", "bucket", "round", "province", "city", "county", "grid"]

_DATE = {"type": "int", "logicalType": "date"}
_OLDEST = 100
"""Nobody's age is told beyond this unless the grant gives edges: there are few so old, and they are known."""
_FARTHEST = 180.0
"""Degrees."""


class Generalise(Mask):
    """What a grant writes; bound to its place it is the mask of one level."""

    name: ClassVar[str] = "generalise"
    about: ClassVar[About] = About(
        does=Text("a coarser value", "概化: 仅放行更粗粒度的值"),
        of=Text(
            "dates and timestamps (month, quarter, year, age_band), numbers and decimals (bucket, round; whole ones also "
            "age_band), codes of divisions (county, city, province), coordinates as floats (grid)",
            "日期与时间戳(month、quarter、year、age_band)、数值与小数(bucket、round; 整数亦可 age_band)、"
            "行政区划代码(county、city、province)、浮点坐标(grid)",
        ),
        examples=(
            Example("{mask: generalise, to: month}", dt.date(2026, 11, 24), "2026-11", _DATE),
            Example("{mask: generalise, to: quarter}", dt.date(2026, 11, 24), "2026-Q4", _DATE),
            Example(
                "{mask: generalise, to: age_band, width: 10, as_of: 2026-11-01}",
                dt.date(1990, 6, 1),
                "[30,40)",
                _DATE,
            ),
            Example("{mask: generalise, to: bucket, edges: [0, 100]}", 12, "[0,100)", "long"),
            Example("{mask: generalise, to: round, step: 1000}", 25_499, 25_000, "long"),
            Example("{mask: generalise, to: city}", "520103", "520100"),
            Example("{mask: generalise, to: grid, step: 0.01}", 26.6578, 26.65, "double"),
        ),
        parameters=(
            ("to", Text("how coarse", "概化到哪一级")),
            ("edges", Text("bucket, age_band: where intervals begin, ascending", "bucket、age_band: 分段边界, 递增")),
            ("width", Text("age_band: years in a band; the last one is open", "age_band: 每段年数; 末段不封顶")),
            (
                "as_of",
                Text(
                    "age_band: the day of the age; by default the first day the grant is valid",
                    "age_band: 计算年龄的日期; 默认为授权生效首日",
                ),
            ),
            (
                "step",
                Text(
                    "round: down to a multiple of it; grid: degrees of a cell, whose lower edge is released",
                    "round: 向下取整到其倍数; grid: 网格度数, 放行网格下沿",
                ),
            ),
        ),
    )
    to: To
    edges: Edges | None = None
    width: int | None = Field(default=None, ge=1, le=50, strict=True)
    as_of: dt.date | None = None
    step: Step | None = Field(default=None, gt=0, le=1 << 50)

    @field_validator("as_of", mode="before")
    @classmethod
    def _a_day(cls, value: Any) -> Any:
        if isinstance(value, int | float):  # which pydantic would take for seconds since 1970
            raise ValueError("a day is written YYYY-MM-DD / 日期须写作 YYYY-MM-DD")  # noqa: TRY004 - pydantic's protocol
        return value

    @classmethod
    def suits(cls, avro: AvroType) -> bool:
        """What any level is for."""
        return any(level.suits(avro) for level in _LEVELS.values())

    def bound(self, place: Place) -> Mask:
        """The mask of its level. ConfigError if the level is not for the field's type, or a parameter is wrong or missing."""
        level = _LEVELS[self.to]
        if not level.suits(place.field.type):
            _refuse(
                place,
                "to",
                f"'{self.to}' does not suit the field's type; it is for: {level.of.en}.",
                f"'{self.to}' 不适用于该字段类型; 适用于: {level.of.zh}。",
            )
        given = {name for name in ("edges", "width", "as_of", "step") if getattr(self, name) is not None}
        for name in sorted(given - set(level.takes)):
            _refuse(place, name, f"'{self.to}' takes no '{name}'.", f"'{self.to}' 不接受参数 '{name}'。")
        if level.needs and len(given & set(level.needs)) != 1:
            names = " / ".join(level.needs)
            _refuse(
                place, level.needs[0], f"'{self.to}' needs one of: {names}.", f"'{self.to}' 须给定且仅给定: {names}。"
            )
        return level.make(self, place)


@dataclass(frozen=True, slots=True)
class _Level:
    """needs: exactly one of these parameters must be given; may: these can be."""

    of: Text
    suits: Callable[[AvroType], bool]
    make: Callable[[Generalise, Place], Mask]
    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()

    @property
    def takes(self) -> tuple[str, ...]:
        return self.needs + self.may


def _age_band(use: Generalise, place: Place) -> Mask:
    """Bands up to the last multiple of the width that is not over `_OLDEST`, which is open, or those the grant gives."""
    whole = not has_days(place.field.type)
    if whole and use.as_of is not None:
        _refuse(place, "as_of", "an age has no date of birth.", "该字段为年龄而非出生日期, 不需要 as_of。")
    edges = tuple(range(0, _OLDEST + 1, use.width)) if use.width is not None else use.edges or ()
    if any(not isinstance(e, int) or e < 0 for e in edges):
        _refuse(place, "edges", "ages are whole numbers from 0.", "年龄边界须为非负整数。")
    return AgeBand(edges=tuple(int(e) for e in edges), as_of=None if whole else use.as_of or place.valid_from)


def _round(use: Generalise, place: Place) -> Mask:
    step, avro = _step(use, place), place.field.type
    if primitive(avro) in ("float", "double"):
        single = primitive(avro) == "float"
        return Cell(step=step, single=single, reach=reach_of(step, single=single))
    digits = decimal_of(avro)
    if digits is not None:
        precision, scale = digits
        if as_decimal(step) % as_decimal(1).scaleb(-scale) or as_decimal(step).adjusted() >= precision - scale:
            _refuse(place, "step", "the field's decimals cannot hold the step.", "该字段的小数位数容不下此步长。")
    elif not isinstance(step, int) or step >= 1 << 31:
        _refuse(place, "step", "whole numbers need a whole step below 2^31.", "整数字段的步长须为小于 2^31 的整数。")
    return Multiple(step=step)


def _grid(use: Generalise, place: Place) -> Mask:
    step, single = _step(use, place), primitive(place.field.type) == "float"
    if step > _FARTHEST or reach_of(step, single=single) < _FARTHEST:
        _refuse(place, "step", "too coarse, or too fine for the field's type.", "步长过大, 或对该字段类型过小。")
    return Cell(step=step, single=single, reach=_FARTHEST)


def _step(use: Generalise, place: Place) -> Step:
    assert use.step is not None
    exact = as_decimal(use.step)
    if exact.as_integer_ratio()[1] > 10**9 or exact.as_integer_ratio()[0] > 1 << 50:
        _refuse(place, "step", "a step has at most nine decimal places.", "步长最多九位小数。")
    return use.step


def _refuse(place: Place, parameter: str, en: str, zh: str) -> NoReturn:
    raise ConfigError(Text(f"generalise: {en}", f"generalise: {zh}"), where=f"{place.where}.{parameter}")


_DATES = Text("dates and timestamps", "日期与时间戳")
_CODES = Text("codes of divisions, as strings", "文本形式的行政区划代码")
_NUMBERS = Text("numbers and decimals", "数值与小数")


def _floats(avro: AvroType) -> bool:
    return primitive(avro) in ("float", "double") and logical(avro) is None


_LEVELS: dict[str, _Level] = {
    "month": _Level(_DATES, has_days, lambda use, place: Period.model_validate({"unit": use.to})),
    "quarter": _Level(_DATES, has_days, lambda use, place: Period.model_validate({"unit": use.to})),
    "year": _Level(_DATES, has_days, lambda use, place: DateToYear()),
    "age_band": _Level(
        Text("dates of birth and ages in whole years", "出生日期或整数年龄"),
        AgeBand.suits,
        _age_band,
        needs=("width", "edges"),
        may=("as_of",),
    ),
    "bucket": _Level(_NUMBERS, Bucket.suits, lambda use, place: Bucket(edges=use.edges or ()), needs=("edges",)),
    "round": _Level(_NUMBERS, is_number, _round, needs=("step",)),
    "province": _Level(_CODES, Within.suits, lambda use, place: Within.model_validate({"level": use.to})),
    "city": _Level(_CODES, Within.suits, lambda use, place: Within.model_validate({"level": use.to})),
    "county": _Level(_CODES, Within.suits, lambda use, place: Within.model_validate({"level": use.to})),
    "grid": _Level(Text("coordinates as floats", "浮点坐标"), _floats, _grid, needs=("step",)),
}
