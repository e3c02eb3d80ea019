"""One dead letter in words: what its reason means, whose matter it is, whether its key has moved on, and whether a retry would
succeed now. The record is judged dry where the caller may read it; nothing of what it holds is shown."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from confluent_kafka import Message

from infra.control.explaining.again import judge_again, known
from infra.control.explaining.records import Records
from infra.control.letters.reading import Chosen, DeadLetter, letters
from infra.control.letters.reasons import WHOSE, reason
from infra.runtime.custodian import existing_keys
from infra.runtime.policy_log import PolicyReader
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.ids import source_topic
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text
from stream_apps.policy import Suspension

Told = Callable[[Text], None]

_DEADLY = Text(
    "not tried here: the record may kill the process that looks at it.", "未在此试判: 该记录可能使处理进程崩溃。"
)
_GONE = Text(
    "the record is gone: compaction removed it, so a later one followed.", "该记录已被压缩清除, 说明其后有新记录。"
)
_MOVED_ON = Text(
    "a later record of its key stands in the partition and is the truth: a retry skips this one.",
    "分区中已有该主键更新的记录, 以其为准: 重试将跳过本条。",
)
_NOBODY = Text("no grant in force would be given it.", "没有生效中的授权会收到它。")
_YES = Text("a retry would succeed now.", "现在重试可成功。")


@dataclass(frozen=True, slots=True)
class LetterExplained:
    """A dead letter, in words.

    moved_on   whether a later record of its key stands in the partition; None where that cannot be told
    succeeds   whether a retry would succeed now; None where it was not tried
    now        why, or why not
    """

    letter: DeadLetter
    meaning: Text
    whose: Text
    mend: Text
    moved_on: bool | None
    succeeds: bool | None
    now: Text


def explain_letter(
    settings: Settings, resource: str, partition: int, offset: int, *, now_ms: int, told: Told = lambda _: None
) -> list[LetterExplained]:
    """A record's dead letters, one for each grant it failed for. ConfigError if it left none; TransientError out of reach."""
    with PolicyReader(settings) as reader:
        state = reader.read_to_end()
    every = letters(settings, Chosen(resource=resource), state=state)
    found = [one for one in every if (one.partition, one.offset) == (partition, offset)]
    if not found:
        raise ConfigError(
            Text("this record left no dead letter.", "该记录没有异常数据条目。"),
            where=f"{resource} {partition}:{offset}",
            hint=Text("'bus dead-letters list' names those there are.", "可用 'bus dead-letters list' 查看。"),
        )
    with Records(settings) as records, closing(Registry(settings)) as registry:
        try:
            record, moved_on = _look(records, resource, partition, offset, told)
        except ConfigError as error:
            return [_said(one, None, (None, Text(*_unread(error)))) for one in found]
        return [
            _said(one, moved_on, _verdict(settings, registry, state, one, record, moved_on, now_ms)) for one in found
        ]


def _said(letter: DeadLetter, moved_on: bool | None, verdict: tuple[bool | None, Text]) -> LetterExplained:
    about = reason(letter.reason)
    return LetterExplained(letter, about.meaning, WHOSE[about.whose], about.mend, moved_on, *verdict)


def _unread(error: ConfigError) -> tuple[str, str]:
    return f"cannot be told: {error.what.en}", f"无法判断: {error.what.zh}"


def _look(records: Records, resource: str, partition: int, offset: int, told: Told) -> tuple[Message | None, bool]:
    """The record, if it is still there, and whether a later one of its key is."""
    topic = source_topic(resource)
    end = records.bounds(topic, partition)[1]
    told(
        Text(
            f"reading {end - offset:,} offsets of {topic}[{partition}]",
            f"正在读取 {topic}[{partition}] 的 {end - offset:,} 个位点",
        )
    )
    record: Message | None = None
    for message in records.read(topic, partition, offset, end):
        if message.offset() == offset:
            record = message
        elif record is None or message.key() == record.key():
            return record, True
    return record, record is None


def _verdict(
    settings: Settings,
    registry: Registry,
    state: PolicyState,
    letter: DeadLetter,
    record: Message | None,
    moved_on: bool,
    now_ms: int,
) -> tuple[bool | None, Text]:
    if record is None:
        return False, _GONE
    if moved_on:
        return False, _MOVED_ON
    if letter.reason == "kills_worker":
        return None, _DEADLY
    grants = [g for g in state.active(letter.resource) if letter.grant in (None, g.grant.id)]
    whys = [_fails(settings, registry, state, grant, record, now_ms) for grant in grants]
    if not whys:
        return False, _NOBODY
    failing = [why for why in whys if why is not None]
    return (False, failing[0]) if failing else (True, _YES)


def _fails(
    settings: Settings, registry: Registry, state: PolicyState, grant: GrantInForce, record: Message, now_ms: int
) -> Text | None:
    """Why it would fail for a grant; None if it would not."""
    about = known(state, grant, existing_keys(settings))
    name = grant.grant.id
    if isinstance(about, Suspension):
        return Text(
            f"{name} is withheld, and gets its history once it is not.", f"{name} 暂停放行, 恢复后会自动补发历史。"
        )
    verdicts = judge_again(about, registry, [record], now_ms, True)
    why = verdicts.reason.get(record.offset() or 0)
    if why is None:
        return None
    meaning = reason(why).meaning
    return Text(f"{name}: it would fail again ({why}): {meaning.en}", f"{name}: 将再次失败({why}): {meaning.zh}")
