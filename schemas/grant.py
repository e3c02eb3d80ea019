"""The grant: an approval a machine can execute. It names subscriber, resource, fields with a mask each, row filter,
purpose, legal basis and validity (DESIGN 2, 7). Whether it is allowed is judged by `stream_apps.policy`.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.clock import end_of_day_ms, start_of_day_ms
from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.paths import parse_path
from schemas.text import Text
from schemas.validation import Model, build, full_width_hint, full_width_in, parse_yaml, read_text

MAX_WHERE = 10_000
"""Characters of a row filter."""

_TEXT_LITERAL = re.compile(r"'(?:[^']|'')*'")

Precision = Literal["millisecond", "second", "minute", "hour", "day"]


class MaskUse(Model):
    """A mask with its parameters: `pass`, or `{mask: partial, keep_first: 1}`."""

    mask: str
    params: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _forms(cls, value: Any) -> Any:
        if value is None or (isinstance(value, dict) and "mask" in value and value["mask"] is None):
            return {"mask": "null", "params": {k: v for k, v in (value or {}).items() if k != "mask"}}  # YAML's word
        if isinstance(value, str):
            return {"mask": value.replace("-", "_")}
        if isinstance(value, dict) and isinstance(value.get("mask"), str) and "params" not in value:
            return {"mask": value["mask"].replace("-", "_"), "params": {k: v for k, v in value.items() if k != "mask"}}
        return value


class Validity(Model):
    """From the first moment of `from` to the last of `until`, in Asia/Shanghai."""

    from_: dt.date = Field(alias="from")
    until: dt.date

    @model_validator(mode="after")
    def _order(self) -> Validity:
        if self.until < self.from_:
            raise ValueError(f"ends ({self.until}) before it begins ({self.from_}) / 截止早于起始")
        return self

    def covers(self, at_ms: int) -> bool:
        """Whether an instant (milliseconds since 1970 UTC) lies within."""
        return start_of_day_ms(self.from_) <= at_ms <= end_of_day_ms(self.until)


class Grant(Model):
    """One approved sharing."""

    kind: Literal["Grant"] = "Grant"
    id: Id
    version: int = Field(default=1, ge=1)
    """Raised by hand to grant anew what has ended; an old file never resurrects a revoked grant."""
    subscriber: Id
    audience: Literal["government", "enterprise", "public"] = "government"
    resource: Id
    purpose: str = Field(min_length=1)
    basis: str = Field(min_length=1)
    fields: dict[str, MaskUse] = Field(min_length=1)
    """By path (`schemas.paths`): `id_no`, `residence.street`, `members[].id_no`."""
    where: str | None = Field(default=None, max_length=MAX_WHERE)
    before: bool = False
    """Whether updates also release the row as it was."""
    release_time: Precision = "millisecond"
    """How exactly a view event tells when it was released."""
    valid: Validity

    @field_validator("where")
    @classmethod
    def _blank(cls, value: str | None) -> str | None:
        if value is None or not value.strip():
            return None
        odd = full_width_in(_TEXT_LITERAL.sub("", value))
        if odd:
            raise ValueError(f"full-width punctuation {odd} outside a text literal / 文本引号之外有全角标点 {odd}")
        return value

    @field_validator("fields")
    @classmethod
    def _names(cls, value: dict[str, MaskUse]) -> dict[str, MaskUse]:
        for name in value:
            try:
                parse_path(name)
            except ValueError as error:
                raise ValueError(f"{error} / '{name}' 不是字段名或路径") from None
        return value


def load_grants(path: Path) -> list[Grant]:
    """The grants of a YAML file (one or several documents). ConfigError with file, place and reason."""
    documents = [d for d in parse_yaml(read_text(path), str(path)) if d is not None]
    if not documents:
        raise ConfigError(Text("holds no grant.", "没有授权内容。"), where=str(path))
    return [parse_grant(d, str(path)) for d in documents]


def parse_grant(document: Any, where: str = "grant") -> Grant:
    """A grant from parsed YAML or JSON. ConfigError with `where`, place and reason."""
    if not isinstance(document, dict):
        raise ConfigError(
            Text("a grant is a mapping.", "授权必须是键值结构。"), where=where, hint=full_width_hint(str(document))
        )
    return build(Grant, document, where)
