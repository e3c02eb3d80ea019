"""Reading what people write (JSON, YAML) into frozen models, with errors that name the file, the field and the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.errors import ConfigError
from schemas.text import Text

MAX_BYTES = 1 << 20
"""Largest contract, grant or mapping file; nobody reviews more than this."""

_FULL_WIDTH = str.maketrans("，（）“”‘’：；！＝＜＞［］｛｝", ",()\"\"'':;!=<>[]{}")

M = TypeVar("M", bound=BaseModel)


class Model(BaseModel):
    """Base of everything people write: frozen, and an unknown key is an error, because it is a typing error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_text(path: Path) -> str:
    """The file's text (UTF-8, a BOM is fine). ConfigError if it is absent, too large or not text."""
    where = str(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(Text(f"larger than {MAX_BYTES} bytes.", f"超过 {MAX_BYTES} 字节。"), where=where)
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(
            Text("not UTF-8 text.", "不是 UTF-8 文本。"),
            where=where,
            hint=Text("Save the file as UTF-8.", "请以 UTF-8 保存。"),
        ) from error
    except OSError as error:
        raise ConfigError(
            Text(f"cannot be read: {error.strerror}.", f"无法读取: {error.strerror}。"), where=where
        ) from error


def parse_json(text: str, where: str) -> Any:
    """JSON, refusing duplicate keys. ConfigError with line and column."""
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, where))
    except (ValueError, RecursionError) as error:
        place = f"{where}:{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else where
        raise ConfigError(
            Text(f"not valid JSON: {_reason(error)}.", f"不是有效的 JSON: {_reason(error)}。"), where=place
        ) from error


def parse_yaml(text: str, where: str) -> list[Any]:
    """The documents of a YAML text, refusing duplicate keys and aliases. ConfigError with line and column."""
    try:
        return list(yaml.load_all(text, Loader=_StrictLoader))
    except (yaml.MarkedYAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        problem = getattr(error, "problem", None) or "nested too deeply"
        raise ConfigError(
            Text(f"not valid YAML: {problem}.", f"不是有效的 YAML: {problem}。"),
            where=place,
            hint=full_width_hint(_near(text, mark.line)) if mark else None,
        ) from error
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none, as in 2026-13-01
        raise ConfigError(Text("not valid YAML.", "不是有效的 YAML。"), where=where) from error


def build(model: type[M], data: Any, where: str) -> M:
    """`data` as a `model`. ConfigError names the first wrong place (`file: fields.name.mask`) and how many more."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        _raise(error, where)


def half_width(text: str) -> str:
    """`text` with the punctuation an input method types by mistake replaced by what was meant."""
    return text.translate(_FULL_WIDTH)


def full_width_in(text: str) -> str:
    """The full-width punctuation characters of `text`, each once, in order."""
    return "".join(dict.fromkeys(c for c in text if ord(c) in _FULL_WIDTH))


def full_width_hint(text: str) -> Text | None:
    """How to mend the full-width punctuation of `text`, if it holds any."""
    odd = full_width_in(text)
    if not odd:
        return None
    return Text(
        f"Full-width punctuation {odd} was typed; write {half_width(odd)}.",
        f"含全角标点 {odd}, 请改为 {half_width(odd)}。",
    )


def _raise(error: ValidationError, where: str) -> NoReturn:
    first, more = error.errors(include_input=False, include_url=False)[0], error.error_count() - 1
    place = ".".join(str(p) for p in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    hint = full_width_hint(place + reason)
    if hint is None and more:
        hint = Text(f"({more} more wrong places.)", f"(另有 {more} 处错误。)")
    raise ConfigError(
        Text(f"{reason}.", f"{reason}。"), where=f"{where}: {place}" if place else where, hint=hint
    ) from error


def _near(text: str, line: int) -> str:
    """The line a YAML error points at and the one before it: an unfinished line is noticed on the next."""
    return "".join(text.splitlines()[max(line - 1, 0) : line + 1])


def _unique(pairs: list[tuple[str, Any]], where: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ConfigError(Text(f"the key '{key}' appears twice.", f"键 '{key}' 重复。"), where=where)
        out[key] = value
    return out


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "a number is too long" if isinstance(error, ValueError) else "nested too deeply"


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without aliases (they multiply) and without silently overwritten keys."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=deep)
            try:
                twice = key in seen
                seen.add(key)
            except TypeError:
                raise yaml.MarkedYAMLError(
                    problem="a key must be a plain word", problem_mark=key_node.start_mark
                ) from None
            if twice:
                raise yaml.MarkedYAMLError(problem=f"the key '{key}' appears twice", problem_mark=key_node.start_mark)
        return dict(super().construct_mapping(node, deep=deep))
