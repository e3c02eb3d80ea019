"""The text of a row filter -> a typed tree. sqlglot reads the SQL; whatever is not on our list is refused by name.

The subset: `=  <>  !=  <  <=  >  >=`, AND, OR, NOT, parentheses, IN (…), BETWEEN, LIKE, IS [NOT] NULL, a boolean field on
its own; 'text', numbers, TRUE, FALSE, DATE 'YYYY-MM-DD', TIMESTAMP 'YYYY-MM-DD HH:MM:SS' (Asia/Shanghai).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NoReturn

import sqlglot
from sqlglot import TokenType, exp
from sqlglot.errors import SqlglotError

from schemas.avro_types import AvroType, primitive, without_null
from schemas.errors import ConfigError
from schemas.grant import MAX_WHERE
from schemas.text import Text
from schemas.validation import full_width_in, half_width
from stream_apps.policy.where.canonical import canonical
from stream_apps.policy.where.literals import EXAMPLE, NUMBERS, as_kind, kind_of, literal
from stream_apps.policy.where.tree import (
    All,
    Compare,
    Comparison,
    Field,
    IsNull,
    Like,
    Not,
    OneOf,
    Predicate,
    Some,
    Truth,
    Value,
)

MAX_DEPTH = 20
"""Parentheses and NOTs within each other. The parser takes some 20 of Python's 1000 frames for each, and a filter must be
read alike however deep its reader already is."""
MAX_LIST = 1000
MAX_NODES = 2000
"""Conditions, connectives and listed values of a filter together."""

_COMPARISONS: dict[type[exp.Expression], Comparison] = {
    exp.EQ: "=",
    exp.NEQ: "<>",
    exp.LT: "<",
    exp.LTE: "<=",
    exp.GT: ">",
    exp.GTE: ">=",
}
_BOTH_SIDES = frozenset({"this", "expression"})
_ARGUMENTS: dict[type[exp.Expression], frozenset[str]] = {
    exp.In: frozenset({"this", "expressions"}),
    exp.Between: frozenset({"this", "low", "high"}),
    exp.Like: _BOTH_SIDES | {"negate"},
    exp.Column: frozenset({"this", "table", "db", "catalog"}),
}
"""What may be set on a node, by its type."""
_SIGNS = frozenset(["=", "<>", "!=", "<", "<=", ">", ">=", "(", ")", ",", ".", "-"])
_MIRRORED: dict[Comparison, Comparison] = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def parse_where(text: str, types: Mapping[str, AvroType], where: str) -> Predicate:
    """The filter `text` over fields of these Avro types. ConfigError at `where` with the offending part and a way out."""
    if len(text) > MAX_WHERE:
        _refuse(where, f"longer than {MAX_WHERE} characters.", f"超过 {MAX_WHERE} 个字符。")
    try:
        tokens = sqlglot.tokenize(text)
        _check_depth(tokens, where)
        _check_tokens(tokens, where)
        tree = sqlglot.parse_one(text, into=exp.Condition)
        return canonical(_Reader(types, where).predicate(tree))
    except (SqlglotError, RecursionError, ValueError) as error:
        _unreadable(text, error, where)
    except ConfigError as error:
        _with_punctuation(text, error)
        raise


def _check_depth(tokens: list[Any], where: str) -> None:
    open_: list[int] = []
    """For each open parenthesis: itself, and the NOTs before it."""
    nots = 0
    for token in tokens:
        if token.text == "(":
            open_.append(nots + 1)
        elif token.text == ")" and open_:
            open_.pop()
        nots = nots + 1 if token.token_type == TokenType.NOT else 0
        if sum(open_) + nots > MAX_DEPTH:
            _refuse(where, f"nested deeper than {MAX_DEPTH} levels.", f"嵌套超过 {MAX_DEPTH} 层。")


def _check_tokens(tokens: list[Any], where: str) -> None:
    """Words, literals and our few signs: sqlglot lets other dialects' signs (`!`, `[1]`, `;`) pass without a trace."""
    for token in tokens:
        if token.comments:
            _refuse(where, "comments are not part of a filter.", "过滤条件中不允许注释。")  # they mislead who approves
        literal = token.token_type in (TokenType.STRING, TokenType.NUMBER, TokenType.IDENTIFIER)
        if not literal and token.text not in _SIGNS and not all(w.isidentifier() for w in token.text.split()):
            _refuse(where, f"'{token.text}' is not part of a filter.", f"过滤条件中不允许 '{token.text}'。")


class _Reader:
    """Walks what sqlglot understood; every node is on the list or refused."""

    def __init__(self, types: Mapping[str, AvroType], where: str) -> None:
        self._types, self._where = types, where
        self._nodes = 0

    def predicate(self, node: Any) -> Predicate:
        self._count(1)
        if isinstance(node, exp.Paren):
            return self.predicate(node.this)
        if isinstance(node, exp.Not):
            return Not(self.predicate(node.this))
        if isinstance(node, exp.And):
            return All(tuple(self.predicate(n) for n in _chain(node, exp.And)))
        if isinstance(node, exp.Or):
            return Some(tuple(self.predicate(n) for n in _chain(node, exp.Or)))
        return self._leaf(node)

    def _leaf(self, node: Any) -> Predicate:
        extra = {name for name, value in node.args.items() if value} - _ARGUMENTS.get(type(node), _BOTH_SIDES)
        if extra:  # sqlglot keeps what changes the meaning (SYMMETRIC, ESCAPE …) beside the operands
            self._no(
                f"'{_shown(node)}' says more than this filter language knows.", f"不支持的写法: '{_shown(node)}'。"
            )
        if type(node) in _COMPARISONS:
            return self._compare(_COMPARISONS[type(node)], node.this, node.expression)
        if isinstance(node, exp.In) and node.expressions:
            return self._in(self._field(node.this), node.expressions)
        if isinstance(node, exp.Between):
            low = self._compare(">=", node.this, node.args["low"])
            return All((low, self._compare("<=", node.this, node.args["high"])))
        if isinstance(node, exp.Like):
            like = self._like(node)
            return Not(like) if node.args.get("negate") else like
        if isinstance(node, exp.Is) and isinstance(node.expression, exp.Null):
            return IsNull(self._field(node.this))
        if isinstance(node, (exp.Column, exp.Dot)):
            field = self._field(node)
            if field.kind == "boolean":
                return Truth(field)
        self._no(
            f"'{_shown(node)}' is not a condition this filter language knows.", f"不支持的条件: '{_shown(node)}'。"
        )

    def _compare(self, op: Comparison, left: Any, right: Any) -> Predicate:
        if not isinstance(left, (exp.Column, exp.Dot)) and isinstance(right, (exp.Column, exp.Dot)):
            op, left, right = _MIRRORED[op], right, left
        field = self._field(left)
        if field.kind == "boolean" and op not in ("=", "<>"):
            self._no("TRUE and FALSE have no order.", "布尔值没有大小之分。")
        return Compare(op, field, self._literal(field, right))

    def _in(self, field: Field, nodes: list[Any]) -> Predicate:
        if len(nodes) > MAX_LIST:
            self._no(f"a list of more than {MAX_LIST} values.", f"列表超过 {MAX_LIST} 个值。")
        self._count(len(nodes))
        return OneOf(field, tuple(self._literal(field, n) for n in nodes))

    def _like(self, node: Any) -> Predicate:
        field, pattern = self._field(node.this), node.expression
        if field.kind != "string" or not (isinstance(pattern, exp.Literal) and pattern.is_string):
            self._no("LIKE compares a text field with a 'pattern'.", "LIKE 只能用于文本字段与 '模式'。")
        return Like(field, pattern.this)

    def _field(self, node: Any) -> Field:
        if not isinstance(node, (exp.Column, exp.Dot)) or not all(
            isinstance(p, exp.Identifier) for p in getattr(node, "parts", [None])
        ):
            self._no(f"a field is expected, not '{_shown(node)}'.", f"此处应为字段名, 而不是 '{_shown(node)}'。")
        path = tuple(p.name for p in node.parts)
        avro: AvroType | None = self._types.get(path[0])
        for step in path[1:]:
            inner = without_null(avro) if avro is not None else None
            members = inner["fields"] if isinstance(inner, dict) and primitive(inner) == "record" else []
            avro = next((f["type"] for f in members if f["name"] == step), None)
        if avro is None:
            self._unknown(".".join(path))
        kind = kind_of(without_null(avro))
        if kind is None:
            self._no(
                f"the field '{'.'.join(path)}' has a type that cannot be compared.",
                f"字段 '{'.'.join(path)}' 的类型不可比较。",
            )
        return Field(path, kind)

    def _literal(self, field: Field, node: Any) -> Value:
        found = literal(node)
        if found is None:
            self._no(f"a literal is expected, not '{_shown(node)}'.", f"此处应为常量, 而不是 '{_shown(node)}'。")
        kind, value = found
        if isinstance(value, Decimal) and field.kind in NUMBERS:
            number = as_kind(value, field.kind)
            if number is None:
                self._no(f"{_shown(node)} has more digits than the field.", f"{_shown(node)} 的位数超出字段精度。")
            return number
        if kind != field.kind or isinstance(value, Decimal):
            name = ".".join(field.path)
            self._no(
                f"'{name}' is a {field.kind} and cannot be compared with {_shown(node)}; write {EXAMPLE[field.kind]}.",
                f"'{name}' 的类型是 {field.kind}, 不能与 {_shown(node)} 比较; 请写作 {EXAMPLE[field.kind]}。",
            )
        return value

    def _count(self, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            self._no(f"more than {MAX_NODES} conditions and values.", f"条件与取值合计超过 {MAX_NODES} 个。")

    def _unknown(self, name: str) -> NoReturn:
        near = difflib.get_close_matches(name, self._types, n=1)
        hint = Text(f"Did you mean '{near[0]}'?", f"是否为 '{near[0]}'?") if near else None
        raise ConfigError(Text(f"unknown field '{name}'.", f"未知字段 '{name}'。"), where=self._where, hint=hint)

    def _no(self, en: str, zh: str) -> NoReturn:
        _refuse(self._where, en, zh)


def _chain(node: Any, kind: type[exp.Expression]) -> list[Any]:
    """The members of `a AND b AND c`, which sqlglot nests to the left: as deep as the list is long."""
    members: list[Any] = []
    while isinstance(node, kind):
        members.append(node.expression)
        node = node.this
    members.append(node)
    return members[::-1]


def _shown(node: Any) -> str:
    text = node.sql() if isinstance(node, exp.Expression) else str(node)
    return text if len(text) <= 60 else text[:57] + "..."


def _unreadable(text: str, error: Exception, where: str) -> NoReturn:
    errors = getattr(error, "errors", None) or [{}]
    near, column = errors[0].get("highlight"), errors[0].get("col")
    place = f" at character {column}, near '{near}'" if near else ""
    place_zh = f": 第 {column} 个字符附近 '{near}'" if near else ""
    refused = ConfigError(Text(f"not a readable condition{place}.", f"无法解析的条件{place_zh}。"), where=where)
    _with_punctuation(text, refused)
    raise refused from error


def _with_punctuation(text: str, error: ConfigError) -> None:
    odd = full_width_in(text)
    if odd and error.hint is None:
        error.hint = Text(
            f"It holds full-width punctuation {odd}; write {half_width(odd)}.",
            f"含全角标点 {odd}, 请改为 {half_width(odd)}。",
        )


def _refuse(where: str, en: str, zh: str) -> NoReturn:
    raise ConfigError(Text(en, zh), where=where)
