"""The application: what departments ask for, in bulk (政务数据共享条例 Art. 20: basis, scenario, scope, method, time limit)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.grant import MAX_WHERE, MaskUse, Precision, Validity
from schemas.ids import Id
from schemas.validation import Model, build

Method = Literal["interface", "batch", "file", "other"]


class ApplicationItem(Model):
    """A part of an application: the same fields of one resource or of many.

    resources   ids, or patterns with `*` (`scjg.*`), of connected resources
    domain      instead: all connected resources of a catalogue class, as the catalogue writes it (`base:法人`)
    fields      by path, each with a mask; "default": every field with the least revealing mask its contract permits that
                still gives something, general non-personal ones passed
    """

    resources: tuple[str, ...] = ()
    domain: str | None = None
    fields: dict[str, MaskUse] | Literal["default"] = "default"
    where: str | None = Field(default=None, max_length=MAX_WHERE)
    before: bool = False
    release_time: Precision = "millisecond"

    @model_validator(mode="after")
    def _one_way(self) -> ApplicationItem:
        if bool(self.resources) == (self.domain is not None):
            raise ValueError("say resources or domain, one of both / resources 与 domain 须二选一")
        return self


class Application(Model):
    """One application. Its closed list of grants is made when it is submitted; `<id>.<n>` names them."""

    kind: Literal["Application"] = "Application"
    id: Id
    title: str = Field(min_length=1)
    subscribers: tuple[Id, ...] = Field(min_length=1)
    audience: Literal["government", "enterprise", "public"] = "government"
    items: tuple[ApplicationItem, ...] = Field(min_length=1)
    purpose: str = Field(min_length=1)
    basis: str = Field(min_length=1)
    scenario: str = Field(min_length=1)
    scope: str = Field(min_length=1)
    method: Method = "interface"
    valid: Validity


def parse_application(document: Any, where: str = "application") -> Application:
    """An application from parsed YAML or JSON. ConfigError with `where`, place and reason."""
    return build(Application, document, where)
