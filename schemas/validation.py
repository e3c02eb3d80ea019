"""Reading what people write (JSON, YAML) into frozen models, with errors that name the file, the field and the reason."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from schemas.characters import ACTING, visible
from schemas.errors import ConfigError
from schemas.pydantic_words import first_wrong
from schemas.reading_words import of_json, of_system, of_yaml
from schemas.text import Text

MAX_BYTES = 1 << 20
"""Largest contract, grant or mapping file; nobody reviews more than this."""

MAX_NODES = 20_000
"""Values, lists and mappings of a YAML file together."""
MAX_TEXT = 20_000
"""Characters of one text in a contract, grant or mapping."""
MAX_ITEMS = 10_000
"""Entries of one list or mapping."""
MAX_DEPTH = 64
"""Lists and mappings within each other."""
MAX_NUMBER = 40
"""Characters of one number in YAML, digits of a whole one anywhere."""

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
        why = of_system(error)
        raise ConfigError(Text(f"cannot be read: {why.en}.", f"无法读取: {why.zh}。"), where=where) from error


def parse_json(text: str, where: str) -> Any:
    """JSON, refusing duplicate keys and what is no finite number. ConfigError with line and column."""
    try:
        return json.loads(
            text,
            object_pairs_hook=lambda pairs: _unique(pairs, where),
            parse_constant=lambda word: _no_number(word, where),
            parse_float=lambda number: _finite(number, where),
        )
    except (ValueError, RecursionError) as error:
        place = f"{where}:{error.lineno}:{error.colno}" if isinstance(error, json.JSONDecodeError) else where
        why = of_json(_reason(error))
        raise ConfigError(Text(f"not valid JSON: {why.en}.", f"不是有效的 JSON: {why.zh}。"), where=place) from error


def parse_yaml(text: str, where: str) -> list[Any]:
    """The documents of a YAML text, refusing duplicate keys, aliases and tags. ConfigError with line and column."""
    try:
        return list(yaml.load_all(text, Loader=_StrictLoader))
    except (yaml.MarkedYAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        why = of_yaml(getattr(error, "problem", None) or "nested too deeply")
        raise ConfigError(
            Text(f"not valid YAML: {why.en}.", f"不是有效的 YAML: {why.zh}。"),
            where=place,
            hint=full_width_hint(_near(text, mark.line)) if mark else None,
        ) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # a number that is none, a character YAML has not
        raise ConfigError(Text("not valid YAML.", "不是有效的 YAML。"), where=where) from error


def parse_bulk_yaml(text: str) -> list[Any] | None:
    """What `parse_yaml` gives, in a quarter of the time, for files of thousands of plain documents; None where that must decide: the
    text is wrong, or there is no libyaml. The two parsers differ on odd punctuation, so nothing that releases data is read so.
    """
    try:
        return list(yaml.load_all(text, Loader=_BulkLoader))
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError, AttributeError):
        return None


def build(model: type[M], data: Any, where: str) -> M:
    """`data` as a `model`. ConfigError names the first wrong place (`file: fields.name.mask`) and how many more.

    Before any model looks at it, what no honest document holds is refused: characters that act on whoever reads them, and
    texts, lists, numbers and depths beyond reason.
    """
    _check_plain(data, where, "", 0)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        _raise(error, where, _known(model, error))


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


def _known(model: type[BaseModel], error: ValidationError) -> Text | None:
    """The keys there are, if the first wrong place is an unknown one among the outermost."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"] != "extra_forbidden" or len(first["loc"]) != 1:
        return None
    keys = ", ".join(field.alias or name for name, field in model.model_fields.items())
    return Text(f"There are: {keys}.", f"可用的键: {keys}。")


def _raise(error: ValidationError, where: str, known: Text | None = None) -> NoReturn:
    (steps, words), more = first_wrong(error), error.error_count() - 1
    place = ".".join(steps)
    hint = full_width_hint(place + words.en) or known
    if hint is None and more:
        hint = Text(f"({more} more wrong places.)", f"(另有 {more} 处错误。)")
    raise ConfigError(
        Text(f"{words.en}.", f"{words.zh}。"), where=f"{where}: {place}" if place else where, hint=hint
    ) from error


def _check_plain(data: Any, where: str, place: str, depth: int) -> None:
    if isinstance(data, str):
        _check_text(data, where, place)
    elif isinstance(data, int):
        if abs(data) >= 10**MAX_NUMBER:
            _refuse(where, place, f"a number of more than {MAX_NUMBER} digits.", f"数字超过 {MAX_NUMBER} 位。")
    elif isinstance(data, (dict, list)):
        if depth > MAX_DEPTH:
            _refuse(where, place, f"nested deeper than {MAX_DEPTH} levels.", f"嵌套超过 {MAX_DEPTH} 层。")
        if len(data) > MAX_ITEMS:
            _refuse(where, place, f"more than {MAX_ITEMS} entries.", f"条目超过 {MAX_ITEMS} 个。")
        for key, value in data.items() if isinstance(data, dict) else enumerate(data):
            _check_plain(key, where, place, depth)
            _check_plain(value, where, f"{place}.{key}" if place else str(key), depth + 1)


def _check_text(text: str, where: str, place: str) -> None:
    if len(text) > MAX_TEXT:
        _refuse(where, place, f"longer than {MAX_TEXT} characters.", f"超过 {MAX_TEXT} 个字符。")
    odd = ACTING.search(text)
    if odd:
        mark = visible(odd.group())
        _refuse(
            where,
            place,
            f"the character {mark} cannot be seen, or acts on the screen; remove it.",
            f"含不可见或控制屏幕的字符 {mark}, 请删除。",
        )


def _refuse(where: str, place: str, en: str, zh: str) -> NoReturn:
    raise ConfigError(Text(en, zh), where=f"{where}: {place}" if place else where)


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


def _finite(number: str, where: str) -> float:
    value = float(number)
    return value if math.isfinite(value) else _no_number(number[:MAX_NUMBER], where)


def _no_number(word: str, where: str) -> NoReturn:
    raise ConfigError(Text(f"{word} is not a number JSON can hold.", f"{word} 不是 JSON 能表示的数。"), where=where)


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    return "a number is too long" if isinstance(error, ValueError) else "nested too deeply"


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without aliases (they multiply), without tags (they choose what to build, and some of PyYAML's own raise
    whatever they like), without silently overwritten keys, and of a bounded size."""

    _nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _marked("aliases are not allowed", event)
        if event.tag is not None:
            raise _marked("tags are not allowed", event)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _marked(f"more than {MAX_NODES} values", event)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _marked("a key must be a plain word", key_node)
            key = self.construct_object(key_node, deep=deep)
            if key in seen:
                raise _marked(f"the key '{key}' appears twice", key_node)
            seen.add(key)
        return dict(super().construct_mapping(node, deep=deep))

    def construct_number(self, node: Any) -> Any:
        """Not what YAML takes to base 60 (`12:30:45`), nor what takes long to read."""
        if len(node.value) > MAX_NUMBER or ":" in node.value:
            raise _marked("a number is too long, or a time without quotes", node)
        return self.construct_yaml_int(node) if node.tag.endswith(":int") else self.construct_yaml_float(node)

    def construct_date(self, node: Any) -> Any:
        """What looks like a date and is none (`2026-13-01`) is named with its place."""
        try:
            return self.construct_yaml_timestamp(node)
        except (ValueError, OverflowError):
            raise _marked("no such date", node) from None


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_number)
_StrictLoader.add_constructor("tag:yaml.org,2002:float", _StrictLoader.construct_number)
_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _StrictLoader.construct_date)


class _BulkLoader(_StrictLoader):
    """The same, with the events of libyaml's parser. AttributeError where PyYAML was built without it."""

    def __init__(self, stream: str) -> None:
        super().__init__("")  # its own parser has nothing to do
        events: Any = yaml._yaml.CParser(stream)
        for name in ("check_event", "get_event", "peek_event"):
            setattr(self, name, getattr(events, name))


def _marked(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)
