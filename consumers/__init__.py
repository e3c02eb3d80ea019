"""What a department's program imports. README.md shows how it is used.

Names are loaded when first asked for, so that `import consumers` costs nothing and a sink loads only what it needs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumers.async_subscriber import AsyncSubscriber
    from consumers.position import Position
    from consumers.received import Event, GenerationStarted, GrantEnded
    from consumers.subscriber import Subscriber
    from schemas.change_event import Op

__all__ = ["AsyncSubscriber", "Event", "GenerationStarted", "GrantEnded", "Op", "Position", "Subscriber"]

_FROM = {
    "AsyncSubscriber": "consumers.async_subscriber",
    "Event": "consumers.received",
    "GenerationStarted": "consumers.received",
    "GrantEnded": "consumers.received",
    "Op": "schemas.change_event",
    "Position": "consumers.position",
    "Subscriber": "consumers.subscriber",
}


def __getattr__(name: str) -> object:
    if name not in _FROM:
        raise AttributeError(f"module 'consumers' has no attribute '{name}'")
    found = getattr(import_module(_FROM[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
