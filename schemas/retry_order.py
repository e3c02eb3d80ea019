"""Orders to judge dead letters once more: what the control log's entry names, and what the person who gives it signs."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from schemas.ids import Id
from schemas.order import Capacity
from schemas.validation import Model
from schemas.view_event import canonical

MOST = 500
"""Dead letters of one order: its owner judges those of a partition in one transaction."""


class Pointer(Model):
    """A dead letter: a record of the resource's source topic, and for which grant it failed (None: for all)."""

    partition: int = Field(ge=0)
    offset: int = Field(ge=0)
    grant: Id | None = None


def retry_text(resource: str, letters: Sequence[Pointer], capacity: Capacity, by: str, at: int) -> bytes:
    """What the person signs."""
    said = {
        "kind": "letters.retry",
        "resource": resource,
        "letters": [[one.partition, one.offset, one.grant] for one in letters],
        "capacity": capacity,
        "by": by,
        "at": at,
    }
    return canonical(said).encode()
