"""A plan of deliveries: a file that says which grant goes into which sink, given alike to every deliverer that shares them."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.errors import ConfigError
from schemas.ids import Id
from schemas.text import Text
from schemas.validation import build, parse_yaml, read_text


class Entry(BaseModel):
    """One grant, and where to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    grant: Id
    sink: str = Field(min_length=1)


class Plan(BaseModel):
    """What a file holds. `name`: deliverers with the same name (and subscriber) share the work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["Deliveries"] = "Deliveries"
    name: Id
    deliveries: tuple[Entry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _once(self) -> Plan:
        grants = [entry.grant for entry in self.deliveries]
        twice = sorted({g for g in grants if grants.count(g) > 1})
        if twice:
            raise ValueError(
                f"'{twice[0]}' stands here twice; another sink for it is another plan / "
                f"'{twice[0]}' 重复; 如需另一目标请另建计划"
            )
        return self

    @property
    def sinks(self) -> dict[str, str]:
        """Sink of each grant."""
        return {entry.grant: entry.sink for entry in self.deliveries}


def read_plan(path: Path) -> Plan:
    """The plan in a file. ConfigError if it holds something else, or passwords that others may read."""
    documents = [d for d in parse_yaml(read_text(path), str(path)) if d is not None]
    if len(documents) != 1:
        raise ConfigError(
            Text("holds no plan of deliveries, or several.", "应恰好包含一份投递计划。"),
            where=str(path),
            hint=Text("See consumers/README.md, 'Several deliverers'.", "见 consumers/README.md。"),
        )
    plan = build(Plan, documents[0], str(path))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077 and any(urlsplit(entry.sink).password for entry in plan.deliveries):
        raise ConfigError(
            Text(
                f"holds a password and others may read it (mode {mode:04o}).",
                f"含口令且可被他人读取(权限 {mode:04o})。",
            ),
            where=str(path),
            hint=Text(f"Run: chmod 600 {path}", f"请执行: chmod 600 {path}"),
        )
    return plan
