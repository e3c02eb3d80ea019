"""Why a subscriber must not read on from the position it holds: each would leave a gap that nobody notices."""

from __future__ import annotations

from consumers.kafka_errors import OutOfRange
from consumers.position import Position
from consumers.view import Origin
from schemas.errors import ConfigError, PermanentError
from schemas.text import Text

AGAIN = Text(
    'Empty your copy and start once with Subscriber(…, start="beginning"); everything there is follows.',
    '请清空副本, 并以 Subscriber(…, start="beginning") 启动一次, 将重新获得全部现有数据。',
)


def other_grant(grant: str, held: Position) -> ConfigError:
    """The position is of another grant."""
    return ConfigError(
        Text(
            f"the position to start from belongs to grant {held.grant}, not {grant}.",
            f"起始位点属于授权 {held.grant}, 而非 {grant}。",
        ),
        where="start",
        hint=Text("Keep one position for each grant.", "请为每个授权分别保存位点。"),
    )


def made_anew(origin: Origin) -> PermanentError:
    """The topic is another one than the position is of."""
    return PermanentError(
        Text(
            "the topic was deleted and made anew since the position was kept.",
            "自保存位点以来, 该主题已被删除并重建。",
        ),
        where=origin.topic,
        hint=AGAIN,
    )


def no_longer(error: OutOfRange) -> PermanentError:
    """The topic no longer has what follows the position."""
    return PermanentError(error.what, where=error.where, hint=AGAIN)


def overtaken(origin: Origin, held: Position) -> PermanentError:
    """The position is of a later generation than there is: it is not of this cluster, or its control log is an old one."""
    return PermanentError(
        Text(
            f"the position held is of generation {held.generation}, but the grant is at {origin.generation}.",
            f"所持位点属于第 {held.generation} 代, 而授权当前为第 {origin.generation} 代。",
        ),
        where=origin.topic,
        hint=Text(
            "Is it the same cluster? If so, its operator must look.", "请确认集群是否同一个; 若是, 请联系运维人员。"
        ),
    )
