"""A mapping compiled against its contract: cells in, rows of the contract out, with the reason where that fails."""

from __future__ import annotations

import difflib
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from producers.adapter import Rejection
from producers.adapters.file import conversions
from producers.adapters.file.conversions import CONVERSIONS, Conversion, Unconvertible
from producers.adapters.file.mapping import Column, FileMapping
from schemas.avro_types import AvroType, is_nullable, logical, primitive, without_null
from schemas.change_event import Row
from schemas.contract import Contract, ContractField
from schemas.errors import ConfigError
from schemas.keys import key_text
from schemas.text import Text

_MEMORY = 20_000
"""Distinct texts per column whose conversion is remembered beyond a batch."""
_BY_TYPE = {"int": "integer", "long": "integer", "float": "number", "double": "number", "boolean": "boolean"}
_BY_MEANING = {"date": "date", "timestamp-millis": "timestamp", "timestamp-micros": "timestamp", "decimal": "decimal"}
_TYPED = frozenset({"date", "timestamp", "integer", "decimal", "number", "boolean", "money_cents", "lookup"})


class Converter:
    """Columns of cells (in the order of `columns`) -> rows. Keeps count of what it made null, by field and reason."""

    def __init__(self, mapping: FileMapping, contract: Contract, where: str) -> None:
        _check_fields(mapping, contract, where)
        names = [f.name for f in contract.fields if f.name in mapping.columns]
        self.columns = [mapping.columns[name].column for name in names]
        self.nulled: Counter[tuple[str, str]] = Counter()
        self._names = names
        self._fields = [_Field(contract.by_name[n], mapping.columns[n], mapping, where) for n in names]
        self._key = [names.index(k) for k in contract.key]

    def rows(
        self, columns: Sequence[Sequence[str]], numbers: Sequence[int]
    ) -> tuple[list[Row | None], list[Rejection]]:
        """A row, its fields in the contract's order, for each of `numbers`; None where it is rejected."""
        bad: set[int] = set()
        rejected: list[Rejection] = []
        values = []
        for field, column in zip(self._fields, columns, strict=True):
            found = field.convert(column)
            if _Failure in set(map(type, found)):
                found, failed = self._without_failures(field, found)
                bad.update(n for n, _ in failed)
                rejected += [Rejection(numbers[n], field.name, reason) for n, reason in failed]
            values.append(found)
        rows: list[Row | None] = [dict(zip(self._names, row, strict=True)) for row in zip(*values, strict=True)]
        for n in bad:
            rows[n] = None
        return rows, rejected

    def keys(self, columns: Sequence[Sequence[str]]) -> list[str | None]:
        """The text of each row's key, or None if it cannot be had."""
        parts = [self._fields[i].convert(columns[i]) for i in self._key]
        return [
            None if None in part or _Failure in set(map(type, part)) else key_text(part)
            for part in zip(*parts, strict=True)
        ]

    def _without_failures(self, field: _Field, values: list[Any]) -> tuple[list[Any], list[tuple[int, str]]]:
        """The values with None for failures, and those failures (place, reason) that reject their row."""
        failed = [(n, v.reason) for n, v in enumerate(values) if type(v) is _Failure]
        kept = [None if type(v) is _Failure else v for v in values]
        if not field.null_on_error:
            return kept, failed
        self.nulled.update((field.name, reason) for _, reason in failed)
        return kept, []


def recipe(mapping: FileMapping, contract: Contract) -> str:
    """Digest of all that decides what becomes of given cells: mapping, contract, and the code itself."""
    code = b"".join(Path(str(module.__file__)).read_bytes() for module in (conversions, sys.modules[__name__]))
    said = json.dumps([mapping.model_dump(mode="json"), contract.source], sort_keys=True).encode()
    return hashlib.sha256(code + said).hexdigest()


class _Failure:
    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class _Field:
    def __init__(self, field: ContractField, column: Column, mapping: FileMapping, where: str) -> None:
        self.name = field.name
        self.null_on_error = column.on_error == "null"
        place = f"{where}: columns.{field.name}"
        if self.null_on_error and not is_nullable(field.type):
            raise _wrong(f"{place}.on_error", "the field may not be null.", "该字段不可为空。")
        self._nulls = frozenset(mapping.null_values if column.null_values is None else column.null_values)
        self._steps = _steps(column, without_null(field.type), place)
        self._memory: dict[str, Any] = {}

    def convert(self, column: Sequence[str]) -> list[Any]:
        """For each text its value, None, or a _Failure; each distinct text is converted once."""
        memory = self._memory
        for text in set(column).difference(memory):
            memory[text] = self._converted(text)
        found = [memory[text] for text in column]
        if len(memory) > _MEMORY:
            memory.clear()
        return found

    def _converted(self, text: str) -> Any:
        if text.strip() in self._nulls:
            return None
        value: Any = text
        try:
            for step in self._steps:
                value = step(value)
        except Unconvertible as error:
            return _Failure(error.reason)
        return None if isinstance(value, str) and value in self._nulls else value


def _steps(column: Column, avro: AvroType, where: str) -> list[Conversion]:
    """The column's conversions; behind them, unless one of them gives a typed value, the one the field's type needs."""
    names: list[str] = []
    steps: list[Conversion] = []
    for n, entry in enumerate(column.convert):
        name, arguments = _named(entry, f"{where}.convert.{n}")
        names.append(name)
        steps.append(_made(name, arguments, f"{where}.convert.{n}"))
    last = _BY_MEANING.get(logical(avro) or "") or _BY_TYPE.get(primitive(avro))
    if last is not None and not _TYPED.intersection(names):
        if "trim" not in names:
            steps.append(CONVERSIONS["trim"]())
        steps.append(CONVERSIONS[last]())
    return steps


def _named(entry: str | dict[str, Any], where: str) -> tuple[str, Any]:
    if isinstance(entry, str):
        return entry, None
    if len(entry) != 1:
        raise _wrong(where, "a conversion is a name, or {name: arguments}.", "转换写作 名称 或 {名称: 参数}。")
    return next(iter(entry.items()))


def _made(name: str, arguments: Any, where: str) -> Conversion:
    make: Callable[..., Conversion] | None = CONVERSIONS.get(name)
    if make is None:
        known = ", ".join(CONVERSIONS)
        raise _wrong(
            where, f"the conversion '{name}' is unknown; known are {known}.", f"转换 '{name}' 未知; 可用: {known}。"
        )
    try:
        if arguments is None:
            return make()
        return make(**arguments) if isinstance(arguments, dict) and name != "lookup" else make(arguments)
    except TypeError as error:
        raise _wrong(where, f"wrong arguments for '{name}'.", f"转换 '{name}' 的参数有误。") from error


def _check_fields(mapping: FileMapping, contract: Contract, where: str) -> None:
    if mapping.resource != contract.id:
        raise _wrong(
            f"{where}: resource",
            f"the mapping is for '{mapping.resource}', the contract for '{contract.id}'.",
            f"映射属于 '{mapping.resource}', 契约属于 '{contract.id}'。",
        )
    for name in mapping.columns:
        if name not in contract.by_name:
            near = difflib.get_close_matches(name, contract.by_name, 1)
            also = f" (nearest: '{near[0]}')" if near else ""
            raise _wrong(f"{where}: columns.{name}", f"not a field of the contract{also}.", f"契约中没有该字段{also}。")
    for field in contract.fields:
        if field.name not in mapping.columns and not (is_nullable(field.type) or field.has_default):
            raise _wrong(
                f"{where}: columns",
                f"the required field '{field.name}' has no column.",
                f"必填字段 '{field.name}' 未映射。",
            )


def _wrong(where: str, en: str, zh: str) -> ConfigError:
    return ConfigError(Text(en, zh), where=where)
