"""Row filters: any text is a filter or a ConfigError; columns and rows agree; the one form is the one form."""

from __future__ import annotations

from functools import lru_cache
from random import Random
from typing import Any

import pyarrow as pa

from schemas.codec import arrow_type
from schemas.errors import ConfigError
from stream_apps.policy.where import parse_where, truth
from stream_apps.policy.where.canonical import canonical
from stream_apps.policy.where.rows import truth as row_truth
from tests.fuzz.mutation import changed_text
from tests.kit.filters import KINDS, NO_ROW, OPERATORS, PATTERNS, TEXTS, TYPES, Kind, quoted

PIECES = (
    *(k.name.bus for k in KINDS), *OPERATORS, " AND ", " OR ", " NOT ", "(", ")", ", ", " IN (", " BETWEEN ", " LIKE ", " IS ", "NULL",
    "TRUE", "'", "''", '"', "`", "--", "/*", "*/", ";", "::", "[", "]", "{", "}", "\\", "%", "#", "?", "@x", "$1", "DATE '", "TIMESTAMP '",
    "TIME '", "INTERVAL '1' DAY", "CAST(", " AS ", "CASE WHEN ", " THEN ", " END", "EXISTS(", "SELECT ", " FROM ", "ANY(", " ESCAPE '!'",
    " COLLATE x", " SYMMETRIC ", "-", "+", "*", "/", "||", "~", "!", ".", "0x1", "1e5", "1e999", "9" * 30, "x'00'", "N'a'", "E'\\n'",
    "\n", "\t", "\x00", "，", "＝", "\u202e", "\ud800", "𠮷", "NOT NOT NOT ", "((((((((", "residence", ".home.",
)  # fmt: skip
_RESIDENCES = [
    None,
    {"since": None, "street": "", "home": None},
    {"since": KINDS[5].edges[3], "street": "云岩区", "home": {"street": None, "no": 7}},
    {"since": KINDS[5].edges[0], "street": "ab", "home": {"street": "a%", "no": -1}},
]


class FilterTarget:
    """{"text": filter, "rows": [numbers of rows]}"""

    def case(self, dice: Random) -> Any:
        """A filter made by the grammar, half of the time changed afterwards."""
        text = _filter(dice, dice.choice((0, 1, 2, 3)))
        if dice.random() < 0.5:
            text = changed_text(text, dice, PIECES)
        return {"text": text, "rows": [dice.randrange(500) for _ in range(4)]}

    def check(self, case: Any) -> bool:
        """Parsing, both evaluations, the canonical form."""
        if not isinstance(case, dict) or not isinstance(case.get("text"), str) or not case.get("rows"):
            return False
        try:
            predicate = parse_where(case["text"], TYPES, "where")
        except ConfigError:
            return False
        rows = [_row(n) for n in case["rows"]]
        columns = [pa.array([r[name] for r in rows], arrow_type(t)) for name, t in TYPES.items()]
        answer = truth(predicate, pa.StructArray.from_arrays(columns, list(TYPES))).to_pylist()
        assert answer == [row_truth(predicate, r) for r in rows], "columns and rows disagree"
        assert repr(canonical(predicate)) == repr(predicate), "the one form has another form"
        assert repr(parse_where(f"({case['text']}\n) AND ({case['text']}\n)", TYPES, "w")) == repr(predicate) or _deep(
            case["text"]
        )
        return True


def _deep(text: str) -> bool:
    """Whether a filter written twice goes beyond a limit, so that it is refused where it was not before."""
    try:
        parse_where(f"({text}\n) AND ({text}\n)", TYPES, "w")
    except ConfigError:
        return True
    return False


@lru_cache(500)
def _row(number: int) -> dict[str, Any]:
    dice = Random(f"row:{number}")
    values = {k.name.bus: dice.choice((None, *k.edges)) for k in KINDS if k.edges}
    return {**NO_ROW, **values, "b": dice.choice((None, True, False)), "residence": dice.choice(_RESIDENCES)}


def _filter(dice: Random, depth: int) -> str:
    if depth == 0:
        return _leaf(dice, dice.choice(KINDS))
    if dice.random() < 0.25:
        return f"NOT ({_filter(dice, depth - 1)})"
    word = dice.choice((" AND ", " OR "))
    return word.join(f"({_filter(dice, depth - 1)})" for _ in range(dice.choice((2, 2, 3))))


def _leaf(dice: Random, kind: Kind) -> str:
    field, one, other = kind.name.bus, dice.choice(kind.written).bus, dice.choice(kind.written).bus
    negated = dice.choice(("", "NOT "))
    forms = [
        f"{field} {dice.choice(OPERATORS)} {one}",
        f"{one} {dice.choice(OPERATORS)} {field}",
        f"{field} {negated}IN ({one}, {other}, {dice.choice(kind.written).bus})",
        f"{field} {negated}BETWEEN {one} AND {other}",
        f"{field} IS {negated}NULL",
        dice.choice(("b", "b = FALSE", "b <> TRUE", "NOT b")),
    ]
    if kind.is_text:
        forms += [f"{field} {negated}LIKE {quoted(dice.choice((*PATTERNS, *TEXTS)))}"] * 3
    return dice.choice(forms)
