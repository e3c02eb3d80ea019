"""`bus bench control-plane`: a whole city's directory and catalogue put in one `bus apply`, read back by a machine that has
nothing yet, and searched.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from infra.control import apply_files
from infra.control.register.log import opened
from infra.control.register.sample.files import write_sample
from infra.control.register.search import Query, search
from infra.runtime.settings import Settings

_QUERIES = (
    Query("社保"),
    Query("企业 登记"),
    Query("x"),
    Query("没有这样的词"),
    Query("名录", sharing="conditional"),
    Query(domain="base:法人"),
    Query("shuiju.r05169"),
    Query(),
)
"""Words of two characters, one letter, nothing found, narrowed, a whole class, an id, everything."""


def measure(settings: Settings, folder: Path, repetitions: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds to put and to read back, milliseconds to search (each query `repetitions` times), on a cluster without a register.

    search_ms       of a process that has the register open
    from_log_ms     of one that first asks the log for news, as every command does
    """
    with TemporaryDirectory(dir=folder) as beside:
        city = Path(beside) / "city"
        write_sample(city)
        began = time.monotonic()
        entries = len(apply_files(settings, [city]))
        put = time.monotonic() - began
    say(f"{entries:,} entries put in {put:.1f} s")
    (settings.home / "register.db").unlink()
    began = time.monotonic()
    with opened(settings) as projection:
        read_back = time.monotonic() - began
        alone = [_milliseconds(search, projection, query) for _ in range(repetitions) for query in _QUERIES]
    from_log = [_milliseconds(_as_a_command, settings, query) for _ in range(repetitions) for query in _QUERIES]
    say(f"searched in {statistics.median(alone):.0f} ms")
    return {
        "entries": entries,
        "put_s": round(put, 1),
        "read_back_s": round(read_back, 1),
        "search_ms": _spread(alone),
        "from_log_ms": _spread(from_log),
    }


def _as_a_command(settings: Settings, query: Query) -> None:
    with opened(settings) as projection:
        search(projection, query)


def _milliseconds(work: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - began) * 1000


def _spread(found: list[float]) -> dict[str, float]:
    return {"p50": round(statistics.median(found), 1), "max": round(max(found), 1)}
