"""What is left of every unit besides its outputs: which records were judged, when, under which policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from schemas.errors import TransientError
from schemas.evidence import Stretch
from schemas.ids import EVIDENCE_TOPIC
from schemas.text import Text
from stream_apps.exchange.outbox import Output
from stream_apps.exchange.tools import Topics
from stream_apps.transport.unit import Place


def stretch(
    place: Place,
    bounds: tuple[int, int],
    epoch: int,
    at_ms: int,
    withheld: Mapping[str, str],
    history: Sequence[str] | None = None,
) -> Stretch:
    """Evidence of the records of a partition in offsets [first, second) of `bounds`."""
    return Stretch(
        topic=place.topic,
        partition=place.partition,
        begin=bounds[0],
        end=bounds[1],
        epoch=epoch,
        at=at_ms,
        history=None if history is None else tuple(history),
        withheld=withheld,
    )


def written(stretches: Sequence[Stretch]) -> Output:
    """The evidence of one transaction."""
    return Output(EVIDENCE_TOPIC, 0, [{"key": s.key, "value": s.encode()} for s in stretches])


def check_topic(topics: Topics) -> None:
    """TransientError without a topic for it: nothing is released that leaves no trace."""
    if topics.unusable([EVIDENCE_TOPIC]):
        raise TransientError(
            Text("there is no topic that takes evidence.", "没有可写入的处理记录主题。"),
            where=EVIDENCE_TOPIC,
            hint=Text("'bus apply' of any contract creates it.", "对任一契约执行 'bus apply' 会创建。"),
        )
