"""Deliver again what a grant's topic still holds: a sink is set back, or a new one begins in the middle, and the ordinary
delivery does the rest.

The setting back is durable before anything is read, so a replay that is interrupted goes on like any delivery: with
`bus deliver`, or the same replay again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from consumers.catalogue import shown, sink_for
from consumers.control import GrantWatch
from consumers.deliver import OnProgress, deliver
from consumers.events import Batch, Step
from consumers.grant_reader import GrantReader
from consumers.report import DeliveryReport
from consumers.sink import Held, Sink
from consumers.starting import From, Topic, shown_moment
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.policy_state import GrantInForce
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class Plan:
    """What a replay would do. Offsets by partition.

    held    where the sink stands now
    start   where it will stand; what follows is delivered
    ends    where the topic ended when the plan was made
    fresh   the sink holds nothing of this generation: it gets what stands from `start` on and nothing before
    again   offsets the sink has had, and will be given again (transaction markers and what compaction removed among them)
    first   where the record at `start` is not there any more, the first one that is (None: none)
    """

    grant: str
    generation: int
    topic: str
    sink: str
    held: Mapping[int, int]
    start: Mapping[int, int]
    ends: Mapping[int, int]
    fresh: bool
    again: int
    first: Mapping[int, int | None]

    @property
    def to_read(self) -> int:
        """Offsets between start and end, all partitions together."""
        return sum(max(0, end - self.start[p]) for p, end in self.ends.items())


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """A plan, and what its delivery did."""

    plan: Plan
    delivery: DeliveryReport


def plan(
    settings: Settings,
    grant_id: str,
    sink_url: str,
    start: From,
    *,
    partition: int | None = None,
    watch: GrantWatch | None = None,
) -> Plan:
    """What a replay into a sink would do; nothing is set back yet (a sink that was never used gets its empty table).

    partition  only this one; the others stay where they are, and begin at their end in a sink that is new
    Raises ConfigError for a grant that has ended, a place that is not in the topic, and a sink that has not come so far;
    what a sink's `open` raises; TransientError if something is out of reach.
    """
    with _watching(settings, watch) as known:
        grant = _going_on(known, grant_id)
        with _opened(settings, grant_id, sink_url, known) as (reader, _, held):
            origin = reader.view.origin
            with Topic(settings, grant, origin.partitions) as topic:
                found = topic.beginning(start, partition)
    fresh = not held.events and not any(held.positions.values())
    if fresh:
        begin = {p: found.places.get(p, end) for p, end in found.ends.items()}
    else:
        begin = {p: min(at, found.places.get(p, at)) for p, at in held.positions.items()}
        if begin == dict(held.positions):
            raise _not_so_far(grant, held)
    again = 0 if fresh else sum(at - begin[p] for p, at in held.positions.items())
    return Plan(
        grant_id,
        origin.generation,
        origin.topic,
        shown(sink_url),
        dict(held.positions),
        begin,
        dict(found.ends),
        fresh,
        again,
        {p: first for p, first in found.first.items() if begin[p] == found.places[p]},
    )


def replay(
    settings: Settings,
    planned: Plan,
    sink_url: str,
    *,
    stop: threading.Event | None = None,
    progress: OnProgress | None = None,
    watch: GrantWatch | None = None,
) -> ReplayReport:
    """Carry out a plan up to the topic's end. ConfigError, and nothing done, if the grant or the sink has changed since it
    was made; AwayTooLong, and nothing done, if the sink has left something unread for too long: an ordinary delivery makes it
    anew. Else what `deliver` raises."""
    with _watching(settings, watch) as known:
        _going_on(known, planned.grant)
        with _opened(settings, planned.grant, sink_url, known) as (reader, sink, held):
            view = reader.view
            if view.origin.generation != planned.generation or not _as_planned(planned, held):
                raise ConfigError(
                    Text(
                        "the grant or the sink has changed since this was planned; nothing was set back.",
                        "计划之后授权或目标已有变化; 未作任何回退。",
                    ),
                    where=planned.grant,
                    hint=Text("Run it again.", "请重新执行。"),
                )
            if not planned.fresh:
                reader.start(held.positions, held.since_ms)  # AwayTooLong: what a rewind would make forget
            _set(sink, planned, held)
        report = deliver(
            settings, planned.grant, sink_url, until="caught_up", stop=stop, progress=progress, watch=known
        )
    return ReplayReport(planned, report)


def _as_planned(planned: Plan, held: Held) -> bool:
    """A running deliverer may have brought the sink further meanwhile: that is set back as well."""
    if planned.fresh:
        return dict(held.positions) == dict(planned.held)
    return all(held.positions[p] >= at for p, at in planned.start.items())


def _set(sink: Sink, planned: Plan, held: Held) -> None:
    if not planned.fresh:
        sink.rewind({p: at for p, at in planned.start.items() if planned.held[p] != at})
        return
    steps = {p: Step(held.positions[p], at, 0) for p, at in planned.start.items() if at != held.positions[p]}
    if steps:
        sink.write(Batch([], steps))


@contextmanager
def _watching(settings: Settings, watch: GrantWatch | None) -> Iterator[GrantWatch]:
    if watch is not None:
        yield watch
        return
    with GrantWatch(settings) as own:
        yield own


@contextmanager
def _opened(
    settings: Settings, grant_id: str, sink_url: str, watch: GrantWatch
) -> Iterator[tuple[GrantReader, Sink, Held]]:
    """A reader of the grant, the sink opened for it, and what that holds."""
    sink = sink_for(sink_url)
    try:
        with GrantReader(settings, grant_id, watch=watch) as reader:
            yield reader, sink, sink.open(reader.view)
    finally:
        sink.close()


def _going_on(watch: GrantWatch, grant_id: str) -> GrantInForce:
    grant = watch.grant(grant_id)
    if grant.ended is None:
        return grant
    since = "" if grant.ended_at is None else f", {shown_moment(grant.ended_at)}"
    raise ConfigError(
        Text(
            f"grant '{grant_id}' has ended ({grant.end_reason}{since}); nothing of it may be read any more.",
            f"授权 '{grant_id}' 已终止({grant.end_reason}{since}); 其内容不再可读。",
        ),
        hint=Text(
            "What was delivered stays subject to the grant's end: see 'bus grants --all'.",
            "已交付的数据按授权终止的要求处理, 参见 'bus grants --all'。",
        ),
    )


def _not_so_far(grant: GrantInForce, held: Held) -> ConfigError:
    places = ", ".join(f"{p}:{at}" for p, at in sorted(held.positions.items()))
    return ConfigError(
        Text(
            f"the sink has only come to {places}, which is not beyond that place: there is nothing to deliver again.",
            f"目标仅到 {places}, 未越过该位置: 没有可重新投递的内容。",
        ),
        where=grant.topic,
        hint=Text(
            f"'bus deliver --grant {grant.grant.id}' goes on from there.",
            f"'bus deliver --grant {grant.grant.id}' 可从该处继续。",
        ),
    )
