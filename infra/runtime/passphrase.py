"""A passphrase in a file, for who has no terminal to type it: never on a command line, which every user can list."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from schemas.errors import ConfigError
from schemas.reading_words import of_system
from schemas.text import Text

_MAX_BYTES = 4096


def read_passphrase(path: Path) -> str:
    """The file's one line, without its end. ConfigError if it cannot be read, others may read it, or it holds anything else."""
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found = file.read(_MAX_BYTES + 1)
    except OSError as error:
        why = of_system(error)
        raise _wrong(path, f"cannot be read: {why.en}.", f"无法读取: {why.zh}。") from error
    if mode & 0o077:
        raise _wrong(
            path,
            f"others may read the passphrase (mode {mode:04o}).",
            f"口令可被他人读取(权限 {mode:04o})。",
            Text(f"Run: chmod 600 {path}", f"请执行: chmod 600 {path}"),
        )
    try:
        lines = found.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(found) > _MAX_BYTES or len(lines) != 1 or not lines[0]:
        raise _wrong(path, "does not hold one line of text.", "应恰好包含一行文本。")
    return lines[0]


def _wrong(path: Path, en: str, zh: str, hint: Text | None = None) -> ConfigError:
    return ConfigError(Text(en, zh), where=str(path), hint=hint)
