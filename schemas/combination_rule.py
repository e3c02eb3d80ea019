"""The combination rule: fields about one kind of subject that no subscriber may hold all of, through however many grants.

Each grant may be harmless alone; name, phone and identity number of the same people in one hand are not (政务数据共享条例
Art. 25). Whether a rule is kept is judged by `stream_apps.policy`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from schemas.contract import Title
from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.text import Text
from schemas.validation import Model, build


class CombinationRule(Model):
    """One rule, as the data bureau writes it."""

    kind: Literal["CombinationRule"] = "CombinationRule"
    id: Id
    subject: Id
    """Whom or what the fields are about: resources say it of their rows (`subject`)."""
    fields: tuple[str, ...] = Field(min_length=2, max_length=50)
    """By concept: a field's `concept` in its contract, else its name."""
    subscribers: tuple[Id, ...] | None = None
    """Whom it binds; by default everybody."""
    except_: tuple[Id, ...] = Field(default=(), alias="except")
    """Whom it does not bind."""
    title: Title
    basis: str = Field(min_length=1)
    withdrawn: bool = False
    """Written into the file when the rule is to hold no longer."""

    @field_validator("fields")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("a field is named twice / 字段重复")
        return value

    @model_validator(mode="after")
    def _one_list(self) -> CombinationRule:
        if self.subscribers is not None and self.except_:
            raise ValueError("name those it binds or those it does not, not both / subscribers 与 except 只能写一个")
        return self

    def binds(self, subscriber: str) -> bool:
        """Whether it is for a subscriber."""
        return subscriber not in self.except_ and (self.subscribers is None or subscriber in self.subscribers)


def parse_rule(document: Any, where: str = "rule") -> CombinationRule:
    """A rule from parsed YAML or JSON. ConfigError with `where`, place and reason."""
    if not isinstance(document, dict):
        raise ConfigError(Text("a rule is a mapping.", "规则必须是键值结构。"), where=where)
    return build(CombinationRule, document, where)
