"""How far a subscriber has come in a grant: one short text, for a ledger file or a column of the program's own database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from consumers.view import Origin
from schemas.errors import ConfigError
from schemas.text import Text

_FORM = re.compile(
    r"1:(?P<grant>[a-z0-9._-]+):(?P<generation>\d+):(?P<topic_id>[A-Za-z0-9+/=_-]+):(?P<since_ms>\d+):"
    r"(?P<offsets>\d+(?:,\d+)*)\Z"
)


@dataclass(frozen=True, slots=True)
class Position:
    """Everything before `offsets` (to be read next, one per partition) of one generation of a grant is done with.

    `str(position)` is its text, `Position.parse(text)` gives it back. The text holds ids and numbers, nothing of a record.
    """

    grant: str
    generation: int
    topic_id: str
    """Of the very topic: one made anew under the same name has another."""
    offsets: tuple[int, ...]
    since_ms: int = 0
    """When its copy was begun, milliseconds since 1970 UTC: how long it may be away for counts from there (`absence.py`)."""

    def __str__(self) -> str:
        return f"1:{self.grant}:{self.generation}:{self.topic_id}:{self.since_ms}:{','.join(map(str, self.offsets))}"

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position a text holds. ConfigError if it holds none."""
        found = _FORM.match(text)
        if found is None:
            raise ConfigError(
                Text("this is no position of a subscriber.", "这不是订阅位点。"),
                where="start",
                hint=Text(
                    "Give back str(event.position) as it was stored, or '' if there is none yet.",
                    "请原样传回已保存的 str(event.position); 尚无位点时传入空串。",
                ),
            )
        offsets = tuple(map(int, found["offsets"].split(",")))
        return cls(found["grant"], int(found["generation"]), found["topic_id"], offsets, int(found["since_ms"]))

    @classmethod
    def beginning(cls, grant: str, origin: Origin, now_ms: int) -> Position:
        """Before everything in a generation's topic, for a copy begun now."""
        return cls(grant, origin.generation, origin.topic_id, (0,) * origin.partitions, now_ms)

    def at(self, offsets: Mapping[int, int]) -> Position:
        """The same topic, at these offsets."""
        moved = tuple(offsets.get(p, offset) for p, offset in enumerate(self.offsets))
        return replace(self, offsets=moved)

    def past(self, partition: int, offset: int) -> Position:
        """With one partition moved forward to `offset`; never back."""
        if self.offsets[partition] >= offset:
            return self
        return self.at({partition: offset})

    @property
    def copy(self) -> tuple[int, int]:
        """Which copy it is of: a later one replaces an earlier one."""
        return self.generation, self.since_ms

    @property
    def untouched(self) -> bool:
        """Whether nothing has been read yet."""
        return not any(self.offsets)
