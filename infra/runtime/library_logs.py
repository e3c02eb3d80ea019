"""What libraries log (librdkafka, Faust), in the form of our own lines: rate-limited, and without what exceptions quote."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog

AGAIN_S = 30.0
"""A line that differs from an earlier one in numbers only is not written again before this: a broker that is away makes
librdkafka write one for every attempt of every client."""

_NUMBER = re.compile(r"\d+")
_MOST_KINDS = 1000


class LibraryLines(logging.Handler):
    """Hands records of `logging` to structlog: `event` is the message, `logger` whose it is, `count` how many were alike."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._now = now
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        text = message(record)
        count = self._due((record.name, _NUMBER.sub("0", text)))
        if count == 0:
            return
        more: dict[str, Any] = {"logger": record.name}
        if count > 1:
            more["count"] = count
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            more |= {"error": type(error).__name__, "where": _raised_at(error)}
        structlog.get_logger().log(record.levelno, text, **more)

    def _due(self, kind: tuple[str, str]) -> int:
        """How many lines of a kind the line to be written now stands for; 0: none is to be written."""
        now = self._now()
        last, held = self._seen.get(kind, (-AGAIN_S, 0))
        if now - last < AGAIN_S:
            self._seen[kind] = (last, held + 1)
            return 0
        if len(self._seen) >= _MOST_KINDS:
            self._seen.clear()
        self._seen[kind] = (now, 0)
        return held + 1


def message(record: logging.LogRecord) -> str:
    """One line of text, with the types of exceptions for the exceptions: their texts may quote what a record held."""
    given = record.args
    if isinstance(given, tuple):
        given = tuple(type(a).__name__ if isinstance(a, BaseException) else a for a in given)
    text = str(record.msg) if not isinstance(record.msg, BaseException) else type(record.msg).__name__
    return " ".join((text % given if given else text).split())


def _raised_at(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return f"{Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}" if place is not None else ""
