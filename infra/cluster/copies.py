"""Are the copies of a cluster of several brokers whole? A broker that was away has to catch up before another may be lost."""

from __future__ import annotations

from confluent_kafka import KafkaException

from infra.cluster.check import Check
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from schemas.text import Text

_TIMEOUT_S = 8.0


def behind(settings: Settings, brokers: int) -> list[str]:
    """Partitions (`topic[n]`) of which fewer than `brokers` copies are whole, sorted. KafkaException if nobody answers."""
    topics = admin(settings).list_topics(timeout=_TIMEOUT_S).topics
    return sorted(
        f"{t}[{n}]" for t, found in topics.items() for n, p in found.partitions.items() if len(p.isrs) < brokers
    )


def copies(settings: Settings, brokers: int) -> Check:
    """What a person is told of it. Never raises."""
    try:
        found = behind(settings, brokers)
    except KafkaException as error:
        said = error.args[0].str()
        return Check("copies", "fail", Text(f"cannot be seen: {said}.", f"无法查看: {said}。"))
    if not found:
        return Check("copies", "ok", Text(f"all {brokers} copies are whole.", f"全部 {brokers} 份副本完整。"))
    return Check(
        "copies",
        "warn",
        Text(
            f"{len(found)} partitions have fewer than {brokers} whole copies, {found[0]} first.",
            f"{len(found)} 个分区的完整副本不足 {brokers} 份, 如 {found[0]}。",
        ),
        Text(
            "'bus up' starts a broker that died; one that is back catches up by itself.",
            "'bus up' 会重新启动已退出的 broker; 恢复后会自动追平。",
        ),
    )
