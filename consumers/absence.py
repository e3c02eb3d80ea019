"""How long a reader has left something unread, held against how long its topic promises to keep everything.

A topic is compacted. For as long as an outage is tolerated
(BUS_TOLERATED_OUTAGE_S, the same for all of a city) nothing of it goes after it was written; later a delete and its
tombstone may, and with them the only word that a row is gone. Reading on behind such a gap would keep the row for ever.

A reader that fills an empty table from the beginning may read records of any age: a broker keeps a tombstone for as long
after the first cleaning pass that saw it (KIP-534), and only that pass takes what the tombstone deletes. So what a reader
has read before a pass, it can still see deleted for that long, counted from when it began (`since_ms`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.errors import PermanentError
from schemas.text import Text

Nearness = Literal["half", "three quarters"]
_SHARE = 0.9
"""Of the time that topics keep deletes: clocks differ, and compaction does not wait."""


class AwayTooLong(PermanentError):
    """Something stayed unread for longer than the topic keeps deletes: the copy must be made anew from the beginning."""

    def __init__(self, where: str, tolerated_ms: int) -> None:
        days = round(tolerated_ms * _SHARE / 86_400_000, 1)
        super().__init__(
            Text(
                f"something in the topic was left unread for more than {days:g} days; deletes may be missing from it by now.",
                f"主题中有内容超过 {days:g} 天未读; 其中的删除记录可能已不完整。",
            ),
            where=where,
            hint=Text(
                "The copy is made anew from the topic's beginning: bus deliver does it by itself, a program starts from the "
                "beginning.",
                "须自主题开头重建副本: bus deliver 会自动重建, 程序请从头开始读取。",
            ),
        )


@dataclass(frozen=True, slots=True)
class Absence:
    """What a reader knows of its own absence. All times are milliseconds since 1970 UTC.

    since_ms       when its copy was begun, from the topic's beginning; None if nobody remembers
    tolerated_ms   for how long a topic keeps deletes
    """

    since_ms: int | None
    tolerated_ms: int

    def limit(self, now_ms: int) -> int | None:
        """Records older than this must not be left unread; None while all of them may be: the copy is younger."""
        oldest = now_ms - int(self.tolerated_ms * _SHARE)
        return None if self.since_ms is not None and self.since_ms >= oldest else oldest

    def nearness(self, oldest_unread_ms: int, now_ms: int) -> Nearness | None:
        """How near the limit is, judged by the record that has waited longest; None if it is far.

        A copy that is still being filled is not behind: its time counts from its beginning.
        """
        age = now_ms - max(oldest_unread_ms, self.since_ms or 0)
        if age >= 0.75 * self.tolerated_ms:
            return "three quarters"
        return "half" if age >= 0.5 * self.tolerated_ms else None

    def left_ms(self, oldest_unread_ms: int, now_ms: int) -> int:
        """How long until the limit, at least 0."""
        return max(0, int(self.tolerated_ms * _SHARE) - (now_ms - max(oldest_unread_ms, self.since_ms or 0)))
