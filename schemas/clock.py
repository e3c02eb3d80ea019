"""Chinese civil time. Dates on the bus are dates in Asia/Shanghai; instants are milliseconds since 1970 UTC."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

SHANGHAI = ZoneInfo("Asia/Shanghai")
SHANGHAI_OFFSET_MS = 8 * 3_600_000
"""Asia/Shanghai from UTC; it has had no summer time since 1991, and nothing was released before."""


def shanghai_date(epoch_ms: int) -> dt.date:
    """The civil date in Asia/Shanghai at an instant."""
    return dt.datetime.fromtimestamp(epoch_ms / 1000, SHANGHAI).date()


def start_of_day_ms(day: dt.date) -> int:
    """The first millisecond of `day` in Asia/Shanghai."""
    return int(dt.datetime.combine(day, dt.time(), SHANGHAI).timestamp() * 1000)


def end_of_day_ms(day: dt.date) -> int:
    """The last millisecond of `day` in Asia/Shanghai: `until` includes its whole day."""
    return start_of_day_ms(day + dt.timedelta(days=1)) - 1
