"""The end of a grant's generation, as its reader tells it: why, whether everything was handed out, and how to go on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from schemas.text import Text


@dataclass(frozen=True, slots=True)
class GrantEnd:
    """The grant's generation is over, and everything before its fence was handed out or may not be any more.

    at   milliseconds since 1970 UTC
    """

    grant: str
    generation: int
    reason: str
    """revoked, suspended, expired, withdrawn, or superseded: then a later generation goes on in another topic."""
    at: int | None
    next_generation: int | None = None
    next_topic: str | None = None
    cut_off: bool = False
    """Something before the fence was not handed out, or that cannot be ruled out: access ends with the grant, read or not."""
    destroy_by: dt.date | None = None
    """The last day by which what was received is to be destroyed, and that confirmed."""

    @property
    def message(self) -> Text:
        """What it means for the subscriber, and how to go on."""
        if self.next_generation is None and self.cut_off:
            en, zh = "what had not been read by then can be read no longer.", "当时尚未读取的内容不再可读。"
        else:
            en, zh = "everything released before its end was read.", "终止前放行的内容已全部读取。"
        if self.destroy_by is not None:
            en += (
                f" Destroy all that was received under it by {self.destroy_by}, copies too, and confirm it: "
                f"bus destroyed {self.grant} --statement TEXT"
            )
            zh += (
                f"请于 {self.destroy_by} 前销毁依此获得的全部数据(含副本), 并予以确认: "
                f"bus destroyed {self.grant} --statement 说明"
            )
        if self.next_generation is None:
            return Text(
                f"grant {self.grant} has ended ({self.reason}); {en}", f"授权 {self.grant} 已终止({self.reason}); {zh}"
            )
        return Text(
            f"grant {self.grant} was amended: generation {self.generation} has ended and generation "
            f"{self.next_generation} goes on in {self.next_topic}, from a snapshot and maybe with other fields. "
            "bus deliver follows by itself and makes its table anew; a Subscriber follows and tells the program to empty its copy.",
            f"授权 {self.grant} 已变更: 第 {self.generation} 代已终止, 由第 {self.next_generation} 代在 {self.next_topic} "
            "中自快照起继续, 字段可能不同。bus deliver 会自动跟进并重建目标表; Subscriber 会自动跟进并通知程序清空副本。",
        )
