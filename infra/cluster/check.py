"""One finding of a doctor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.text import Text

Level = Literal["ok", "warn", "fail"]


@dataclass(slots=True, frozen=True)
class Check:
    """`name` is fixed, for machines; `hint` says how to go on if the level is not ok."""

    name: str
    level: Level
    message: Text
    hint: Text | None = None
