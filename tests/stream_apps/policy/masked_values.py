"""Every mask that computes, with values it takes: what the tests of masks draw from."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from schemas.avro_types import AvroType, primitive
from schemas.typed_text import kind_of
from stream_apps.policy import ViewKeys
from stream_apps.policy.masks import MASKS, Mask
from stream_apps.policy.masks.encrypt import Sealed
from stream_apps.policy.masks.levels.dates import AgeBand, Period
from stream_apps.policy.masks.levels.numbers import Cell, Multiple, reach_of
from stream_apps.policy.masks.levels.places import Within
from stream_apps.policy.masks.nested import Entries, Items, Members, inner
from stream_apps.policy.masks.nulled import Empty
from stream_apps.policy.masks.presets import CHINESE, PRESETS
from stream_apps.policy.masks.pseudonym import PreviousToken, Token

DATE = {"type": "int", "logicalType": "date"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
LAST = dt.datetime.fromisoformat("9999-12-31T23:59:59.999999")
INSTANTS = st.datetimes(dt.datetime.fromisoformat("1700-01-01"), LAST)

TELLING = [
    "张三", "欧阳", "欧阳修文", "诸葛亮", "阿卜杜拉·买买提", "阿•‧买", "·", "12345678901234567X", "520102199001010014",
    "520102900101001", "13912345678", "0851-85951234", "(010)62345678", "02 8595123", "6222024000012345678", "a@b.cn",
    "zhang@guiyang.gov.cn", "贵A12345", "贵AD12345", "贵阳市云岩区中华北路1号", "云岩区金狮小区2栋", "91520102MA6DL3Q41P",
    "520103", "520103001002", "０１", "*", "\n", "", " ",
]  # fmt: skip
"""What patterns of masks look for, and what looks like it."""
PIECES = [
    *"张欧阳·•省市县区州路号@.()- *1359xXA\n\0é",
    "e\u0301",
    "😀",
    "𠮷",
    "小区",
    "自治县",
    "贵州省",
    "贵阳市",
    "010",
    "0851",
]
TEXTS = (
    st.sampled_from(TELLING)
    | st.lists(st.sampled_from([*PIECES, *TELLING]), max_size=8).map("".join)
    | st.text(st.characters(codec="utf-8"), max_size=12)
)


def _money(cents: int) -> Decimal:
    return Decimal((cents < 0, tuple(map(int, str(abs(cents)))), -2))


VALUES: list[tuple[AvroType, st.SearchStrategy[Any]]] = [
    ("string", TEXTS),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, st.sampled_from(["A", "B"])),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 130)),
    ("double", st.floats() | st.floats(-200, 200)),
    ("float", st.floats(width=32) | st.floats(-200, 200, width=32)),
    ("boolean", st.booleans()),
    ("bytes", st.binary(max_size=6)),
    (DATE, st.dates()),
    (MILLIS, INSTANTS.map(lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000))),
    (MICROS, INSTANTS),
    (MONEY, st.integers(-(10**9) + 1, 10**9 - 1).map(_money)),
]
_EDGES = st.lists(st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6), min_size=1, max_size=4, unique=True).map(sorted)
_AGES = st.lists(st.integers(0, 130), min_size=1, max_size=4, unique=True).map(lambda e: tuple(sorted(e)))
_TOKENS = st.builds(
    Token,
    within=st.sampled_from(["purpose:a", "domain:b"]),
    meaning=st.sampled_from(["x:y", "cn-mobile", "cn-id", "cn-uscc"]),
)
PARTIALS = st.builds(MASKS["partial"], keep_first=st.integers(0, 4), keep_last=st.integers(0, 4)) | st.sampled_from(
    [
        *(MASKS["partial"].model_validate({"preset": name}) for name in (*PRESETS, *CHINESE)),
        MASKS["partial"].model_validate({"preset": "address", "level": "street"}),
    ]
)
PATTERNS = [".", "[0-9]+", "(.)(.)", "[一-鿿]", "(?i)a", "市.*", "(?s).+", "^.", "[^@]+@"]
REGEXES = st.builds(
    MASKS["regex_replace"], pattern=st.sampled_from(PATTERNS), replacement=st.sampled_from(["", "*", r"\0", r"[\0]"])
)


def _constant(avro: AvroType) -> Mask:
    value = {"boolean": True, "string": "x", "enum": "x", "int": 7, "long": 7, "float": 0.5, "double": 0.5}
    return MASKS["constant"].model_validate({"value": value[primitive(avro)]})


def _cell(avro: AvroType) -> st.SearchStrategy[Mask]:
    single = avro == "float"
    steps = st.sampled_from([0.01, 0.1, 0.3, 1, 7])
    return steps.map(lambda step: Cell(step=step, single=single, reach=reach_of(step, single=single)))


def _sealed(avro: AvroType) -> Mask:
    kind = kind_of(avro)
    assert kind is not None
    return Sealed(path="f", kind=kind)


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of masks: of which types, and with which parameters for one of them."""

    suits: Callable[[AvroType], bool]
    masks: Callable[[AvroType], st.SearchStrategy[Mask]]


def _kind(mask: type[Mask], drawn: st.SearchStrategy[Mask]) -> Kind:
    return Kind(mask.suits, lambda _: drawn)


KINDS: dict[type[Mask], Kind] = {
    MASKS["pass"]: _kind(MASKS["pass"], st.builds(MASKS["pass"])),
    Empty: Kind(MASKS["null"].suits, lambda avro: st.just(Empty(type=MASKS["pass"]().result(avro)))),
    MASKS["constant"]: Kind(MASKS["constant"].suits, lambda avro: st.just(_constant(avro))),
    MASKS["partial"]: _kind(MASKS["partial"], PARTIALS),
    MASKS["truncate"]: _kind(MASKS["truncate"], st.builds(MASKS["truncate"], length=st.integers(1, 6))),
    MASKS["regex_replace"]: _kind(MASKS["regex_replace"], REGEXES),
    Token: _kind(Token, _TOKENS),
    PreviousToken: _kind(Token, st.builds(PreviousToken, token=_TOKENS)),
    Sealed: Kind(Sealed.suits, lambda avro: st.just(_sealed(avro))),
    MASKS["bucket"]: _kind(MASKS["bucket"], _EDGES.map(lambda edges: MASKS["bucket"](edges=tuple(edges)))),
    MASKS["date_to_year"]: _kind(MASKS["date_to_year"], st.builds(MASKS["date_to_year"])),
    Period: _kind(Period, st.builds(Period, unit=st.sampled_from(["month", "quarter"]))),
    AgeBand: _kind(AgeBand, st.builds(AgeBand, edges=_AGES, as_of=st.dates())),
    Within: _kind(Within, st.builds(Within, level=st.sampled_from(["province", "city", "county"]))),
    Cell: Kind(Cell.suits, _cell),
    Multiple: _kind(Multiple, st.builds(Multiple, step=st.integers(1, 9_999))),
}
"""Every mask of single values."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A mask, a (non-null) type it suits, and values of the type."""

    mask: Mask
    avro: AvroType
    values: st.SearchStrategy[Any]


@st.composite
def drawn(draw: st.DrawFn, kind: type[Mask], depth: int = 2) -> Drawn:
    """A mask of the class; for one of what lies within values, masks of any class within it."""
    if kind not in (Members, Items, Entries):
        avro, values = draw(st.sampled_from([v for v in VALUES if KINDS[kind].suits(v[0])]))
        return Drawn(draw(KINDS[kind].masks(avro)), avro, values)
    if kind is Entries:
        keys = draw(_TOKENS | st.just(MASKS["pass"]()))
        part, avro, values = draw(_part(depth))
        entries = st.dictionaries(st.sampled_from(["", "a", "贵", "b·"]), values, max_size=3)
        mask = Entries(key=inner(keys, "string"), value=inner(part, avro))
        return Drawn(mask, {"type": "map", "values": avro}, entries)
    if kind is Items:
        part, avro, values = draw(_part(depth))
        return Drawn(Items(each=inner(part, avro)), {"type": "array", "items": avro}, st.lists(values, max_size=3))
    members = {name: draw(_part(depth)) for name in draw(st.sampled_from(["a", "ab", "abc"]))}
    named = draw(st.lists(st.sampled_from(sorted(members)), min_size=1, unique=True).map(sorted))
    record = {"type": "record", "name": "R", "fields": [{"name": n, "type": m[1]} for n, m in members.items()]}
    mask = Members(members=tuple((n, inner(members[n][0], members[n][1])) for n in named))
    return Drawn(mask, record, st.fixed_dictionaries({n: m[2] for n, m in members.items()}))


@st.composite
def _part(draw: st.DrawFn, depth: int) -> tuple[Mask, AvroType, st.SearchStrategy[Any]]:
    """A mask of what lies within, its type, which may be nullable, and values."""
    kinds = [*KINDS, *((Members, Items, Entries) if depth > 0 else ())]
    one = draw(drawn(draw(st.sampled_from(kinds)), depth - 1))
    if draw(st.booleans()):
        return one.mask, ["null", one.avro], st.none() | one.values
    return one.mask, one.avro, one.values


DEFINITION = re.compile(r"`row\(v\) == ([^`]+)`")


def definition(kind: type[Mask]) -> str:
    """The expression in the docstring of a mask."""
    written = DEFINITION.search(kind.__doc__ or "")
    assert written, kind
    return written[1]


def defined(mask: Mask, value: Any, keys: ViewKeys, row_key: str) -> Any:
    """What the docstring's expression gives for a value."""
    module = vars(sys.modules[type(mask).__module__])
    names = {**module, "self": mask, "keys": keys, "v": value, "row_key": row_key}
    return eval(definition(type(mask)), names)


def computing() -> Iterator[type[Mask]]:
    """Every class of masks that has a row-wise form."""
    todo: list[type[Mask]] = [Mask]
    while todo:
        for kind in todo.pop().__subclasses__():
            todo.append(kind)
            if "row" in vars(kind):
                yield kind
