"""Logs: one line per batch or decision on standard error, as JSON for machines or as words for a person.

Keys are fixed (`KEYS`), so that a dashboard built on them stays built; an unknown key is dropped and named under `unlisted`.
Values are ids, counts, offsets, durations and reasons. The content of a record is never a value: exceptions are logged as
their type and our own message, not with the repr of what they held.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from infra.runtime.library_logs import LibraryLines
from schemas.errors import BusError

KEYS = frozenset(
    [
        "event",
        "level",
        "timestamp",
        "logger",
        "component",
        "instance",
        "resource",
        "grant",
        "generation",
        "topic",
        "partition",
        "partitions",
        "offset",
        "offsets",
        "epoch",
        "position",
        "records",
        "bytes",
        "delivered",
        "withheld",
        "dead_lettered",
        "quarantined",
        "published",
        "batch",
        "seconds",
        "lag",
        "reason",
        "outcome",
        "error",
        "where",
        "hint",
        "attempt",
        "wait_seconds",
        "pid",
        "port",
        "path",
        "version",
        "adapter",
        "sink",
        "subject",
        "schema_id",
        "state",
        "count",
        "stage",
        "signal",
        "exit_code",
        "worker",
        "transaction",
        "assignment",
        "duty",
    ]
)


def configure(json: bool, level: str = "info") -> None:
    """Send this process's logs to standard error from `level` up. Call once, at the composition root."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        errors_as_words,
        only_known_keys,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"), pad_event_to=0, sort_keys=False
        )
    )
    structlog.configure(
        processors=[*shared, last],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=max(logging.WARNING, getattr(logging, level.upper())), handlers=[LibraryLines()])


def logger(component: str) -> Any:
    """A logger whose lines carry `component`."""
    return structlog.get_logger(component=component)


def errors_as_words(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """`error=exception` becomes its type and, for our own errors, its place and message; foreign texts may quote content."""
    error = event.get("error")
    if isinstance(error, BusError):
        event["error"] = f"{type(error).__name__}: {error.message()}"
        if error.where:
            event.setdefault("where", error.where)
    elif isinstance(error, BaseException):
        event["error"] = type(error).__name__
    event.pop("exc_info", None)
    return event


def only_known_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop values under names nobody agreed on, and say which."""
    unlisted = sorted(event.keys() - KEYS)
    if not unlisted:
        return event
    return {k: v for k, v in event.items() if k in KEYS} | {"unlisted": unlisted}
