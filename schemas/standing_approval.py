"""The standing approval: a policy by which a provider approves before it is asked (常态化授权).

It names subscribers by what they are certified for and resources by what they are, and is signed as the closed list it
expands to at that moment (`schemas.approval.StandingItem`). What is added to the city later is a difference to sign.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from schemas.grant import MAX_WHERE, MaskUse, Precision, Validity
from schemas.ids import Id
from schemas.validation import Model, build


class ForWhom(Model):
    """Departments by id, or all that are certified for something (`certified: 综合治税`)."""

    departments: tuple[Id, ...] = ()
    certified: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ForWhom:
        if bool(self.departments) == (self.certified is not None):
            raise ValueError("say departments or certified, one of both / departments 与 certified 须二选一")
        return self


class OfWhat(Model):
    """Resources by id or pattern, a catalogue class (`base:法人`), or what another standing approval covers (`standing`)."""

    resources: tuple[str, ...] = ()
    domain: str | None = None
    standing: Id | None = None

    @model_validator(mode="after")
    def _one_way(self) -> OfWhat:
        if sum((bool(self.resources), self.domain is not None, self.standing is not None)) != 1:
            raise ValueError("say one of resources, domain and standing / resources、domain、standing 须三选一")
        return self


class StandingApproval(Model):
    """One policy. `version` is raised by hand whenever it is to be signed anew."""

    kind: Literal["StandingApproval"] = "StandingApproval"
    id: Id
    version: int = Field(default=1, ge=1)
    title: str = Field(min_length=1)
    subscribers: ForWhom
    resources: OfWhat
    purpose: str = Field(min_length=1)
    basis: str = Field(min_length=1)
    fields: dict[str, MaskUse] | Literal["default"] = "default"
    """Of each resource those of these fields that it has; "default" as in applications."""
    where: str | None = Field(default=None, max_length=MAX_WHERE)
    before: bool = False
    release_time: Precision = "millisecond"
    valid: Validity

    @model_validator(mode="after")
    def _a_year(self) -> StandingApproval:
        begins, until = self.valid.from_, self.valid.until
        if (until.year, until.month, until.day) >= (begins.year + 1, begins.month, begins.day):
            raise ValueError(
                "holds for at most a year: until the day before the same date / 有效期最长一年, 至次年同日前一日"
            )
        return self


def parse_standing(document: Any, where: str = "standing approval") -> StandingApproval:
    """A standing approval from parsed YAML or JSON. ConfigError with `where`, place and reason."""
    return build(StandingApproval, document, where)
