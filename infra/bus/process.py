"""What every long-running verb does first and last: logs, metrics, a word about security, and an orderly end."""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from infra.bus.output import note, warn
from infra.bus.reach import unsecured
from infra.bus.session import Session, a_person_watches
from infra.runtime import logs, metrics
from infra.runtime.settings import Settings
from schemas.text import Text


def began(session: Session, settings: Settings, metrics_port: int, level: str = "info") -> int:
    """Configure logs, serve metrics, and tell the person where and how safe; the metrics port."""
    logs.configure(json=session.json or not a_person_watches(), level=level)
    port = metrics.serve(settings.metrics_host, metrics_port)
    address = f"http://{settings.metrics_host}:{port}/metrics"
    note(session, Text(f"Metrics: {address}", f"指标: {address}"))
    exposed = unsecured(settings)
    if exposed is not None:
        warn(session, exposed)
    gc.freeze()  # what is loaded by now stays; walking it for cycles with every batch took a quarter of a reader's time
    return port


@contextmanager
def stop_on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """While inside, the first SIGINT or SIGTERM calls `stop`; the second ends the process as if there were no first."""

    def asked(_number: int, _frame: FrameType | None) -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop()

    before = {n: signal.signal(n, asked) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
