"""Hypothesis strategies: row filters as the bus, SQLite and DuckDB write them, and rows to judge by them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from schemas.avro_types import AvroType
from schemas.clock import SHANGHAI

DATE = {"type": "int", "logicalType": "date"}
MILLIS = {"type": "long", "logicalType": "timestamp-millis"}
MICROS = {"type": "long", "logicalType": "timestamp-micros"}
MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
HOME = {
    "type": "record",
    "name": "Home",
    "fields": [{"name": "street", "type": ["null", "string"]}, {"name": "no", "type": "int"}],
}
RESIDENCE = {
    "type": "record",
    "name": "Residence",
    "fields": [
        {"name": "since", "type": ["null", DATE]},
        {"name": "street", "type": "string"},
        {"name": "home", "type": ["null", HOME]},
    ],
}
TYPES: dict[str, AvroType] = {
    "t": ["null", "string"],
    "n": ["null", "long"],
    "i": ["null", "int"],
    "f": ["null", "double"],
    "g": ["null", "float"],
    "b": ["null", "boolean"],
    "d": ["null", DATE],
    "at": ["null", MILLIS],
    "moment": ["null", MICROS],
    "money": ["null", MONEY],
    "residence": ["null", RESIDENCE],
}

TEXTS = (
    "", "a", "A", "ab", "a%", "_", "\\", "\\%", "云岩区", "云_区", "it's", "𠮷a", "a\nb", "\r\n", "e\u0301", "é", "\uffff",
    "\U00010000", "👩\u200d👧", "ß", " a", "a ", "（，）",
)  # fmt: skip
PATTERNS = ("%", "a_", "%a%", "云%", "__区", "_", "__", "%\n%", "%%", "\\_", "%'%", "_\u0301")
WHOLE = (0, 1, -1, 7, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63))
INTS = (0, 1, -1, 7, 2**31 - 1, -(2**31))
FLOATS = (
    0.0,
    -0.0,
    0.5,
    -1.5,
    7.0,
    0.1,
    1e300,
    -1e300,
    1e-300,
    5e-324,
    2.0**53,
    float("inf"),
    float("-inf"),
    float("nan"),
)
SINGLES = (0.0, -0.0, 0.5, -1.5, 7.0, float("inf"), float("-inf"), float("nan"), 2.0**24)
DATES = (
    dt.date.min,
    dt.date(1582, 10, 10),
    dt.date(1969, 12, 31),
    dt.date(2000, 2, 29),
    dt.date(2026, 11, 24),
    dt.date.max,
)
MOMENTS = tuple(
    dt.datetime.fromisoformat(text)
    for text in (
        "0001-01-02 00:00:00", "1900-06-01 00:00:00", "1969-12-31 23:59:59.999", "1970-01-01 00:00:00", "1970-01-01 08:00:00",
        "1988-07-01 12:00:00", "2026-11-24 08:00:00.001", "9999-12-31 15:59:59.999",
    )
)  # fmt: skip
CENTS = (0, 1, -1, 50, 12345, -12345, 10**9 - 1, 1 - 10**9)
OPERATORS = ("=", "<>", "!=", "<", "<=", ">", ">=")
PLACES = 4
"""Digits after the point SQLite's side of a decimal is held with, as a whole number."""


class Texts(NamedTuple):
    """One condition in three dialects."""

    bus: str
    sqlite: str
    duckdb: str


def quoted(text: str) -> str:
    """An SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def alike(text: str) -> Texts:
    """What all three write alike."""
    return Texts(text, text, text)


def _day(value: dt.date) -> Texts:
    return Texts(f"DATE '{value}'", quoted(value.isoformat()), f"DATE '{value}'")


def _moment(value: dt.datetime) -> Texts:
    text = value.isoformat(" ", "milliseconds")
    return Texts(f"TIMESTAMP '{text}'", str(micros(value.replace(tzinfo=SHANGHAI))), f"TIMESTAMPTZ '{text}'")


def _whole(text: str) -> Texts:
    """DuckDB would compare through doubles if it were not told to be exact."""
    return Texts(text, text, f"{Decimal(text):f}::DECIMAL(38,4)")


def _money(text: str) -> Texts:
    return Texts(text, str(int(Decimal(text) * 10**PLACES)), f"{text}::DECIMAL(38,4)")


def micros(moment: dt.datetime) -> int:
    """An instant in microseconds since 1970 UTC; one without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (aware - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


ANY_TEXT = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=4
)
_WHOLE_TEXTS = [*map(str, WHOLE), "0.5", "-1.5", "1e3", "7.0", str(10**19), str(-(10**19)), "00012"]
_FLOAT_TEXTS = ["0", "-0", "0.5", "-1.5", "7", "1e300", "-1e300", "1e-300", "9007199254740992", "0.1", "16777216"]
_MONEY_TEXTS = ["0", "-0.01", "0.5", "123.45", "-123.4501", "0.005", "9999999.99", "-10000000", "123456789012"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A field to filter on: its name in the three dialects, values of a row, and literals."""

    name: Texts
    edges: Sequence[Any]
    """Values at the edges of the type, and round about the literals below; none for what lies in a record."""
    written: Sequence[Texts]
    """Literals at the edges."""
    is_text: bool = False

    @property
    def data(self) -> st.SearchStrategy[Any]:
        """Values of a row."""
        more: dict[str, st.SearchStrategy[Any]] = {"t": ANY_TEXT, "n": st.integers(-(2**63), 2**63 - 1)}
        return st.sampled_from(self.edges) | more.get(self.name.bus, st.nothing())

    @property
    def literals(self) -> st.SearchStrategy[Texts]:
        """Literals, for texts also of any other content."""
        return st.sampled_from(self.written) | (ANY_TEXT.map(quoted).map(alike) if self.is_text else st.nothing())


def _nested(name: str) -> Texts:
    return Texts(name, f'"{name}"', f"r.{name}")


_TEXT_LITERALS = [alike(quoted(t)) for t in TEXTS]
_INT_LITERALS = [_whole(t) for t in _WHOLE_TEXTS]
_FLOAT_LITERALS = [alike(t) for t in _FLOAT_TEXTS]
_DATE_LITERALS = [_day(d) for d in DATES]
_MOMENT_LITERALS = [_moment(m) for m in MOMENTS]
_FINE = [
    m + dt.timedelta(microseconds=us)
    for m in MOMENTS[1:-1]
    for us in (-28_800_000_001, -28_800_000_000, -1, 0, 1, 499, 999)
]
KINDS = (
    Kind(alike("t"), TEXTS, _TEXT_LITERALS, is_text=True),
    Kind(alike("n"), WHOLE, _INT_LITERALS),
    Kind(alike("i"), INTS, _INT_LITERALS),
    Kind(alike("f"), FLOATS, _FLOAT_LITERALS),
    Kind(alike("g"), SINGLES, _FLOAT_LITERALS),
    Kind(alike("d"), DATES, _DATE_LITERALS),
    Kind(Texts("at", '"at"', '"at"'), [*MOMENTS, *(m - dt.timedelta(hours=8) for m in MOMENTS[1:])], _MOMENT_LITERALS),
    Kind(alike("moment"), _FINE, _MOMENT_LITERALS),
    Kind(alike("money"), [Decimal(c).scaleb(-2) for c in CENTS], [_money(t) for t in _MONEY_TEXTS]),
    Kind(_nested("residence.since"), (), _DATE_LITERALS),
    Kind(_nested("residence.street"), (), _TEXT_LITERALS, is_text=True),
    Kind(_nested("residence.home.street"), (), _TEXT_LITERALS, is_text=True),
    Kind(_nested("residence.home.no"), (), _INT_LITERALS),
)
NO_ROW: dict[str, Any] = dict.fromkeys(TYPES)
"""A row of nulls."""
_HOMES = st.fixed_dictionaries({"street": st.none() | ANY_TEXT, "no": st.sampled_from(INTS)})
_RESIDENCES = st.fixed_dictionaries(
    {"since": st.none() | st.sampled_from(DATES), "street": ANY_TEXT, "home": st.none() | _HOMES}
)
ROWS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        **{k.name.bus: st.none() | k.data for k in KINDS if "." not in k.name.bus},
        "b": st.none() | st.booleans(),
        "residence": st.none() | _RESIDENCES,
    }
)
"""Rows of `TYPES`."""


def _each(build: Callable[..., str], *parts: Texts) -> Texts:
    return Texts(*(build(*(p[i] for p in parts)) for i in range(3)))


_BOOLEAN = tuple(
    map(alike, ("b", "b = TRUE", "b <> FALSE", "b = FALSE", "b IN (TRUE, FALSE)", "b IS NULL", "b IS NOT NULL"))
)


@st.composite
def leaves(draw: st.DrawFn) -> Texts:
    """One condition."""
    kind = draw(st.sampled_from((*KINDS, None)))
    if kind is None:
        return draw(st.sampled_from(_BOOLEAN))
    negated = draw(st.sampled_from(("", "NOT ")))
    forms = ("compare", "mirror", "in", "between", "null", *(("like",) * 3 if kind.is_text else ()))
    form, field, one = draw(st.sampled_from(forms)), kind.name, draw(kind.literals)
    if form == "compare" or form == "mirror":
        op = draw(st.sampled_from(OPERATORS))
        pair = (field, one) if form == "compare" else (one, field)
        return _each(lambda a, b: f"{a} {op} {b}", *pair)
    if form == "null":
        return _each(lambda f: f"{f} IS {negated}NULL", field)
    if form == "like":
        pattern = alike(quoted(draw(st.sampled_from(PATTERNS) | ANY_TEXT)))
        return _each(lambda f, p: f"{f} {negated}LIKE {p}", field, pattern)
    if form == "between":
        return _each(lambda f, a, b: f"{f} {negated}BETWEEN {a} AND {b}", field, one, draw(kind.literals))
    others = draw(st.lists(kind.literals, max_size=3))
    return _each(lambda f, *values: f"{f} {negated}IN ({', '.join(values)})", field, one, *others)


def _joined(inner: st.SearchStrategy[Texts]) -> st.SearchStrategy[Texts]:
    def join(parts: list[Texts], word: str) -> Texts:
        return _each(lambda *texts: f" {word} ".join(f"({t})" for t in texts), *parts)

    several = st.lists(inner, min_size=2, max_size=3)
    return st.builds(join, several, st.sampled_from(("AND", "OR"))) | inner.map(
        lambda p: _each(lambda t: f"NOT ({t})", p)
    )


FILTERS: st.SearchStrategy[Texts] = st.recursive(leaves(), _joined, max_leaves=5)
"""Filters over `TYPES`."""
