"""Opening what a grant releases sealed (the mask `encrypt`), with the grant's seal key.

    keys = read_seal_keys(Path("seal.keys"))                 # the lines the bureau handed over, one for each key version
    row = open_sealed(event.after, ["id_no", "members[].phone"], grant="shuiwu.population.2026-001", keys=keys)

Values come back as what they were: numbers, dates, decimals, bytes. Sinks store what is released, sealed as it is: whoever
may see a value opens it where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any

from consumers.events import Row
from schemas.errors import ConfigError
from schemas.paths import ITEMS, KEYS, Path, parse_path, path_text
from schemas.sealed import SealKey, open_value, parse_seal_key
from schemas.text import Text
from schemas.validation import read_text


def read_seal_keys(file: FilePath) -> dict[str, SealKey]:
    """The seal keys in a file, by id. ConfigError, with file and line, if a line is none or there is no line."""
    lines = [(n, line) for n, line in enumerate(read_text(file).splitlines(), 1) if line.strip()]
    if not lines:
        raise ConfigError(Text("holds no seal key.", "没有解密密钥。"), where=str(file))
    found = [parse_seal_key(line, f"{file}:{n}") for n, line in lines]
    return {key.id: key for key in found}


def open_sealed(row: Row, paths: Iterable[str], *, grant: str, keys: Mapping[str, SealKey]) -> dict[str, Any]:
    """`row` with the sealed values at `paths` (as the grant writes them) opened; nulls stay null. `row` itself is unchanged.

    ConfigError for a path the row does not have, or a value sealed with a key that is not among `keys` (by id).
    PermanentError for a value that was changed, or is of another grant or field. Nothing is retried.
    """
    out = dict(row)
    for text in paths:
        try:
            path = parse_path(text)
        except ValueError:
            raise ConfigError(Text("not a field's name or path.", "不是字段名或路径。"), where=text) from None
        out = _opened(out, path, path, grant, keys)
    return out


def _opened(value: Any, rest: Path, path: Path, grant: str, keys: Mapping[str, SealKey]) -> Any:
    """`value` with what is at `rest` within it opened; `path` is all the way from the row."""
    if value is None:
        return None
    if not rest:
        return open_value(value if isinstance(value, str) else "", grant=grant, path=path_text(path), keys=keys)
    step, further = rest[0], rest[1:]
    if step == ITEMS and isinstance(value, list):
        return [_opened(item, further, path, grant, keys) for item in value]
    if step == ITEMS and isinstance(value, Mapping):
        return {k: _opened(item, further, path, grant, keys) for k, item in value.items()}
    if step in (ITEMS, KEYS) or not isinstance(value, Mapping) or step not in value:
        where = path_text(path)
        raise ConfigError(Text("the row has no such value.", "记录中没有该值。"), where=where)
    return {**value, step: _opened(value[step], further, path, grant, keys)}
