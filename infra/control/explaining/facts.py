"""What `bus explain` reports. Places, words, names of fields and masks; never a value of any record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.evidence import CATCHING_UP, NOT_STARTED
from schemas.text import Text

WORDS: Mapping[str, Text] = {
    "emitted": Text("released", "已放行"),
    "filtered": Text(
        "not released: the row is not, and was not, in the grant's filter", "未放行: 该行不在授权过滤范围内"
    ),
    "unchanged": Text("nothing to release: no granted field changed", "无需放行: 授权字段均无变化"),
    "not_valid": Text("not released: outside the grant's validity", "未放行: 不在授权有效期内"),
    "failed": Text(
        "a dead letter: it could not be judged or masked; a delete was released where the row may have been known",
        "异常数据: 无法判断或脱敏; 若该行可能已放行则已发出删除",
    ),
    "tombstone": Text("nothing to release: a tombstone, which follows the delete it belongs to", "墓碑记录, 无需放行"),
    "withheld": Text(
        "withheld: the grant was in force but nothing could be released under it", "已扣留: 授权有效但暂停放行"
    ),
    CATCHING_UP: Text(
        "not released live: the grant was being given the history before it, and is given it as history",
        "未实时放行: 该授权正在补发历史数据, 此记录随历史数据补发",
    ),
    NOT_STARTED: Text(
        "not released then: the grant's first day had not come, on which it is given all there is",
        "当时未放行: 授权尚未到生效日, 生效当日补发现有数据",
    ),
    "ended": Text("not released: the grant had ended", "未放行: 授权已终止"),
    "not_opened": Text("not released then: the grant had not been opened yet", "当时未放行: 授权尚未开通"),
    "not_judged": Text(
        "there is no evidence that it was judged: not yet, or before evidence was kept, or more than three years ago",
        "无处理记录: 尚未处理, 或早于处理记录启用, 或已超过三年保存期",
    ),
}
"""What an outcome means."""

DELIVERY = Text(
    "its subscriber keeps its own position with its data; the bus does not know it",
    "交付位点由需求方与其数据一并保存, 总线不掌握",
)


@dataclass(frozen=True, slots=True)
class Place:
    """An offset in a partition."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Explained:
    """One judgement of one record under a grant.

    source      the record, in the resource's source topic
    epoch       the policy it was judged under, and `at` when (milliseconds since 1970 UTC); None if it was not judged
    history     whether it was given to the grant as history, when that was opened or came back
    outcome     a word of `WORDS`, and `reason` one more where there is one
    active      whether the grant was in force; else `ended_epoch` and `end_reason` say since when and why not
    where       the grant's filter; `in_filter` whether the row was in it (None: it left it, was deleted, or was not asked)
    masks       by field, the mask with its parameters
    topic       the grant's, and `offsets` where its events stand; None if that cannot be told, and `note` says why
    dead_letter offset in the topic of dead letters
    """

    grant: str
    resource: str
    source: Place
    outcome: str
    meaning: Text
    epoch: int | None = None
    at: int | None = None
    history: bool = False
    generation: int | None = None
    active: bool = False
    ended_epoch: int | None = None
    end_reason: str | None = None
    reason: str | None = None
    where: str | None = None
    in_filter: bool | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    topic: str | None = None
    offsets: tuple[int, ...] | None = None
    dead_letter: int | None = None
    note: Text | None = None
    delivery: Text | None = None
