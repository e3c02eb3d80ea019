"""Dead letters: where a record could not be processed and why. A pointer, never content."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from schemas.errors import TransientError
from schemas.ids import DEAD_LETTER_TOPIC
from schemas.text import Text
from stream_apps.exchange.judge import Fault
from stream_apps.exchange.outbox import Output
from stream_apps.transport.unit import Place


class _Topics(Protocol):
    def unusable(self, topics: Sequence[str]) -> Mapping[str, str]: ...


def letters(
    place: Place, messages: Sequence[Any], faults: Sequence[Fault], epoch: int, at_ms: int, topics: _Topics
) -> Output:
    """The dead letters of a slice's faults. TransientError without a topic for them: a fault must leave its trace."""
    if topics.unusable([DEAD_LETTER_TOPIC]):
        raise TransientError(
            Text("there is no topic that takes dead letters.", "没有可写入的异常数据主题。"),
            where=DEAD_LETTER_TOPIC,
            hint=Text("'bus apply' of the contract creates it.", "执行契约的 'bus apply' 会创建。"),
        )
    entries = []
    for fault in sorted(faults, key=lambda f: (f.record, f.grant or "")):
        offset = messages[fault.record].offset()
        body = {
            "topic": place.topic,
            "partition": place.partition,
            "offset": offset,
            "reason": fault.reason,
            "grant": fault.grant,
            "epoch": epoch,
            "at": at_ms,
        }
        key = f"{place.topic}:{place.partition}:{offset}"
        entries.append({"key": key.encode(), "value": json.dumps(body).encode()})
    return Output(DEAD_LETTER_TOPIC, 0, entries)
