"""Settings of the files sink."""

from __future__ import annotations

from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, Field

from schemas.errors import ConfigError
from schemas.text import Text
from schemas.validation import build

Format = Literal["parquet", "csv", "jsonl"]


class Rolling(BaseModel):
    """What may stand after the `?` of an address: when a file is closed and the next one begun."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    roll_mb: float = Field(64, gt=0, le=1024)
    """Megabytes (1,000,000 bytes) of rows before compression; a Parquet file is a fraction of it."""
    roll_s: float = Field(300, gt=0)
    """Seconds after a file's first row. The rows wait in a journal until then, safe but not in a file yet."""


class FilesSettings(Rolling):
    """`parquet:FOLDER`, `csv:FOLDER` or `jsonl:FOLDER`, with `?roll_mb=64&roll_s=300` behind it where others are wanted."""

    folder: Path
    """Made with mode 0700 if it is absent; a folder for each grant is made in it."""
    format: Format
    lock_timeout_s: float = 1.0
    """How long a write waits for another process at the same grant's folder, before the runner takes over the waiting."""


def settings_of(url: str) -> FilesSettings:
    """The settings of an address `FORMAT:FOLDER[?OPTIONS]`. ConfigError names what is wrong."""
    kind, _, address = url.partition(":")
    folder, asked, query = address.partition("?")
    where = f"{kind}:{folder}"
    if not folder:
        raise _wrong(where, f"a sink of kind {kind} names a folder.", f"{kind} 类型的目标须指明目录。")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(asked))
    except ValueError:
        raise _wrong(
            where, "options are written NAME=VALUE, with & between.", "选项须写作 名称=值, 以 & 分隔。"
        ) from None
    if len({name for name, _ in pairs}) < len(pairs):
        raise _wrong(where, "an option stands there twice.", "同一选项出现了两次。")
    rolling = build(Rolling, dict(pairs), where)
    return build(FilesSettings, {**rolling.model_dump(), "folder": folder, "format": kind}, where)


def _wrong(where: str, en: str, zh: str) -> ConfigError:
    hint = Text(
        "For example parquet:delivery/shuiwu?roll_mb=64&roll_s=300.",
        "例如 parquet:delivery/shuiwu?roll_mb=64&roll_s=300。",
    )
    return ConfigError(Text(en, zh), where=where, hint=hint)
