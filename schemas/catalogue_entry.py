"""The catalogue entry of a resource (政务数据共享条例 Art. 13): it may exist without a contract (已编目) before it is connected
(已挂接); then the contract decides and the entry describes.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.contract import Level, Personal, Sharing
from schemas.ids import Id
from schemas.validation import Model, build

Method = Literal["interface", "batch", "file", "other"]
CatalogueClass = Literal["base", "topic", "department"]
Update = Literal["realtime", "daily", "weekly", "monthly", "quarterly", "yearly", "irregular"]


class CatalogueItem(Model):
    """A data item (信息项) of the resource."""

    name: str
    title: str
    type: str = "string"


class CatalogueEntry(Model):
    """One entry.

    id        the resource's id; a contract of the same id connects it
    code      national resource code
    lead      lead source department (数源部门), if not the provider itself
    domain    which base database, topic or department it belongs to: with `class`, `base:法人`
    basis     of the sharing attribute; refused needs reason and law
    assessed  when secrecy and personal information were assessed; `signed_off` by the provider's head
    """

    kind: Literal["CatalogueEntry"] = "CatalogueEntry"
    id: Id
    code: str = Field(min_length=1)
    title: str = Field(min_length=1)
    provider: Id
    lead: Id | None = None
    class_: CatalogueClass = Field(alias="class")
    domain: str = Field(min_length=1)
    sharing: Sharing
    basis: str = ""
    conditions: str = ""
    open: Literal["unconditional", "conditional", "refused"] = "refused"
    update: Update
    level: Level = "general"
    personal: Personal = "none"
    format: str = "avro"
    method: Method = "interface"
    quality: str = ""
    items: tuple[CatalogueItem, ...] = ()
    assessed: dt.date | None = None
    signed_off: str = ""
    description: str = ""

    @model_validator(mode="after")
    def _refusal(self) -> CatalogueEntry:
        if self.sharing == "refused" and not self.basis:
            raise ValueError(
                "refused needs basis: the law, regulation or decision it rests on (Art. 14) / 不予共享须以 basis 写明法律依据"
            )
        if self.sharing == "conditional" and not self.conditions:
            raise ValueError(
                "conditional needs conditions: scope and use (Art. 14) / 有条件共享须以 conditions 列明范围与用途"
            )
        return self


def parse_entry(document: Any, where: str = "catalogue entry") -> CatalogueEntry:
    """An entry from parsed YAML or JSON. ConfigError with `where`, place and reason."""
    return build(CatalogueEntry, document, where)
