"""The mapping: how a file's columns become a contract's fields, as a small YAML that people review."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.text import Text
from schemas.validation import Model, build, parse_yaml, read_text

NULL_VALUES = ("", "N/A", "NULL", "null", "-", "无")
"""Texts that stand for no value, after the blanks around them are gone."""


class Column(Model):
    """Where a field comes from."""

    column: str
    """Name of the file's column, as the header has it."""
    convert: tuple[str | dict[str, Any], ...] = ()
    """Conversions of the catalogue, in order: `name`, or `{name: arguments}`."""
    null_values: tuple[str, ...] | None = None
    """Instead of the mapping's."""
    on_error: Literal["quarantine", "null"] = "quarantine"
    """What becomes of a value that cannot be converted: its row is kept back, or the field is null and counted."""

    @field_validator("on_error", mode="before")
    @classmethod
    def _yaml_null(cls, value: Any) -> Any:
        return "null" if value is None else value


class FileMapping(Model):
    """Settings of the file adapter."""

    kind: Literal["FileMapping"] = "FileMapping"
    adapter: Id
    """Id under which position and state are kept: never change it."""
    resource: Id
    mode: Literal["full", "increment"]
    """full: what is missing from the file is deleted. increment: the file only adds and changes."""
    encoding: Literal["auto", "utf-8", "gb18030"] = "auto"
    """auto: UTF-8 if the whole file is UTF-8, else GB18030. A byte order mark is fine."""
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    null_values: tuple[str, ...] = NULL_VALUES
    columns: dict[str, Column] = Field(min_length=1)
    """Contract field -> column."""


def load_mapping(path: Path) -> FileMapping:
    """The mapping in a YAML file. ConfigError with file, place and reason."""
    documents = parse_yaml(read_text(path), str(path))
    if len(documents) != 1:
        raise ConfigError(Text("a mapping file holds one document.", "映射文件须只含一个文档。"), where=str(path))
    return build(FileMapping, documents[0], str(path))
