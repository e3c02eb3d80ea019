"""Whether a schema is formed as everything that reads it takes for granted: fastavro and Arrow do not ask, and crash.

Holds for contracts and for whatever a registry gives. What of well-formed Avro a contract may use is said in `avro_types`.
"""

from __future__ import annotations

import re
from typing import Any

from schemas.errors import ConfigError
from schemas.text import Text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
"""Of a type, with its namespace or without."""
MAX_BRANCHES = 100
"""Types of a union; Arrow counts them in seven bits."""
_NAMED = frozenset({"record", "error", "enum", "fixed"})
_INNER = {"array": "items", "map": "values"}


def check_nodes(schema: Any, where: str, most: int) -> None:
    """ConfigError if any type in the schema is malformed, or there are more than `most`."""
    waiting, found = [schema], 0
    while waiting:
        node = waiting.pop()
        found += 1
        if found > most:
            raise refused(where, f"more than {most} types.", f"类型超过 {most} 个。")
        waiting += check_node(node, where)


def check_node(node: Any, where: str) -> list[Any]:
    """The types right below this one. ConfigError if it is malformed itself."""
    if isinstance(node, str):
        return []
    if isinstance(node, list):
        _check_union(node, where)
        return node
    if not isinstance(node, dict):
        raise refused(where, "a type is a name, an object or a list of types.", "类型须为名称、对象或列表。")
    kind = node.get("type")
    _check_annotations(node, where)
    if not isinstance(kind, str):
        return [kind]
    if kind in _NAMED and not _is_name(node.get("name"), dotted=True):
        raise refused(
            where,
            "a record, enum or fixed has a name of letters, digits and _.",
            "record、enum、fixed 须有由字母、数字和 _ 组成的名称。",
        )
    if kind == "enum":
        _check_symbols(node.get("symbols"), where)
    if kind == "fixed" and not (_is_whole(node.get("size")) and node["size"] > 0):
        raise refused(where, "a fixed has a size of at least 1.", "fixed 的 size 须不小于 1。")
    if kind == "record":
        return _fields(node.get("fields"), where)
    return [node.get(_INNER[kind])] if kind in _INNER else []


def _check_union(node: list[Any], where: str) -> None:
    if not node or any(isinstance(branch, list) for branch in node):
        raise refused(where, "a union lists types, and no union among them.", "union 须列出类型, 且其中不含 union。")
    if len(node) > MAX_BRANCHES:
        raise refused(where, f"a union of more than {MAX_BRANCHES} types.", f"union 的类型超过 {MAX_BRANCHES} 个。")
    told: list[Any] = []
    for branch in map(_branch, node):
        if branch in told:
            raise refused(where, "a union lists each type once.", "union 的各类型须不相同。")
        told.append(branch)


def _branch(node: Any) -> Any:
    """What tells a branch of a union from the others: its name, or else its kind."""
    while isinstance(node, dict) and isinstance(node.get("type"), dict):
        node = node["type"]
    if not isinstance(node, dict):
        return node
    kind = node.get("type")
    return node.get("name") if isinstance(kind, str) and kind in _NAMED else kind


def _check_annotations(node: dict[str, Any], where: str) -> None:
    meaning, space = node.get("logicalType"), node.get("namespace", "")
    if not isinstance(meaning, str | None):
        raise refused(where, "a logical type is a name.", "logicalType 须为名称。")
    if not isinstance(space, str | None) or (space and not _is_name(space, dotted=True)):
        raise refused(where, "a namespace is made of names joined by dots.", "namespace 须由以点连接的名称组成。")
    if meaning == "decimal":
        precision, scale = node.get("precision"), node.get("scale", 0)
        if not _is_whole(precision) or not _is_whole(scale) or not 0 <= scale <= precision or precision == 0:
            raise refused(
                where,
                "a decimal has a precision of at least 1 and a scale of 0 to the precision.",
                "decimal 的 precision 须不小于 1, scale 须为 0 到 precision。",
            )


def _check_symbols(symbols: Any, where: str) -> None:
    if not isinstance(symbols, list) or not symbols or not all(isinstance(s, str) for s in symbols):
        raise refused(where, "an enum lists its symbols.", "enum 须列出 symbols。")
    if len(set(symbols)) != len(symbols):
        raise refused(where, "an enum lists each symbol once.", "enum 的 symbols 须各不相同。")


def _fields(fields: Any, where: str) -> list[Any]:
    """Types of a record's fields."""
    if not isinstance(fields, list) or not all(isinstance(f, dict) and "type" in f for f in fields):
        raise refused(
            where, "a record has a list of fields with a type each.", "record 须有 fields, 每个字段须有类型。"
        )
    names = [f.get("name") for f in fields]
    if not all(_is_name(name, dotted=False) for name in names):
        raise refused(where, "a field has a name of letters, digits and _.", "字段须有由字母、数字和 _ 组成的名称。")
    if len(set(names)) != len(names):
        raise refused(where, "a record has each field once.", "record 的字段名须各不相同。")
    return [f["type"] for f in fields]


def _is_name(name: Any, *, dotted: bool) -> bool:
    return isinstance(name, str) and _NAME.match(name) is not None and (dotted or "." not in name)


def _is_whole(number: Any) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def refused(where: str, en: str, zh: str) -> ConfigError:
    """The refusal of a schema."""
    return ConfigError(Text(en, zh), where=where)
