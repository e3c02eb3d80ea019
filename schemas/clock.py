"""Chinese civil time. Dates on the bus are dates in Asia/Shanghai; instants are milliseconds since 1970 UTC."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

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


def _ms(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // dt.timedelta(milliseconds=1)
