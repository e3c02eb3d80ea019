"""Chinese civil time. Dates on the bus are dates in Asia/Shanghai; instants are milliseconds since 1970 UTC."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

from schemas.errors import ConfigError
from schemas.text import Text

SHANGHAI = ZoneInfo("Asia/Shanghai")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SHANGHAI_OFFSET_MS = 8 * 3_600_000
"""Asia/Shanghai from UTC; it has had no summer time since 1991, and nothing was released before."""


def shanghai_date(epoch_ms: int) -> dt.date:
    """The civil date in Asia/Shanghai at an instant."""
    return dt.datetime.fromtimestamp(epoch_ms / 1000, SHANGHAI).date()


def start_of_day_ms(day: dt.date) -> int:
    """The first millisecond of `day` in Asia/Shanghai."""
    return _ms(dt.datetime.combine(day, dt.time(), SHANGHAI))


def end_of_day_ms(day: dt.date) -> int:
    """The last millisecond of `day` in Asia/Shanghai: `until` includes its whole day."""
    return _ms(dt.datetime.combine(day, dt.time(23, 59, 59, 999_000, fold=1), SHANGHAI))  # the last day has no next


def read_moment(text: str, where: str) -> int:
    """A time as people write it (ISO 8601, in Asia/Shanghai where it names no zone), in milliseconds since 1970 UTC. ConfigError
    names `where`, the option it was given with."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            Text("it is not a time in ISO 8601.", "不是 ISO 8601 时间。"),
            where=where,
            hint=Text(
                "For example 2026-11-01 or 2026-11-01T08:30 (Asia/Shanghai where no zone is named).",
                "例如 2026-11-01 或 2026-11-01T08:30(未注明时区时按北京时间)。",
            ),
        ) from None
    return _ms(moment if moment.tzinfo is not None else moment.replace(tzinfo=SHANGHAI))


def _ms(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)
