"""Whether a partition was left alone for so long that compaction may have taken the end of a row away.

A source topic is compacted, but takes nothing away that is younger than BUS_TOLERATED_OUTAGE_S. So a mark says since when
(`Mark.since`) all that is still unread was written. Of the record read last that is its own time, since those after it are
younger; of a partition read to its end it is the moment it was seen to be (`idle`). Who reads on later than nine tenths of
the outage after it may miss that a row left a filter, or was deleted: those grants that were live have lost track (`Mark.lost`).
They are withheld, and `bus controller` makes them anew as their next generation, with a snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stream_apps.exchange import telemetry
from stream_apps.exchange.marks import Mark
from stream_apps.exchange.standing import Standing
from stream_apps.exchange.tools import Tools
from stream_apps.transport.unit import Committed, Place, Slice

TOLERATED = 0.9
"""Of the outage that topics are made for: clocks differ, and compaction does not wait."""


def found(marks: Mapping[Place, Mark], places: Mapping[Place, Committed], tools: Tools) -> Mapping[Place, Mark]:
    """The marks as a new owner takes them. A partition in which nothing was written since has lost nothing, however old its
    mark. Of a mark without a time (an earlier version's) it is not known; it is taken for one of now. TransientError."""
    now = tools.now_ms() // 1000
    old = [p for p, mark in marks.items() if 0 < mark.since < now - tools.outage_s * TOLERATED]
    ends = tools.ends(old) if old else {}
    idle = {p for p, end in ends.items() if end <= (places[p].offset or 0)}
    return {p: replace(m, since=now) if p in idle or not m.since else m for p, m in marks.items()}


def reading_on(place: Place, standing: Standing, mark: Mark, now_s: int, outage_s: int) -> Mark:
    """The mark under which records are read on now: after too long, the grants live so far are lost."""
    age = now_s - mark.since
    if standing.next <= standing.begin or age <= outage_s * TOLERATED:
        return mark
    telemetry.lost_track(place, age)
    return replace(mark, lost=max(mark.lost, mark.live), since=now_s)


def reached(mark: Mark, part: Slice, at_ms: int) -> Mark:
    """The mark once a slice was read: what follows its last record is younger than that."""
    if not part.messages:
        return mark
    return replace(mark, since=max(mark.since, min(part.messages[-1].timestamp()[1], at_ms) // 1000))
