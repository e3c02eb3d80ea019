"""Several deliverers share a plan's grants by Kafka's consumer group protocol: who is there, who does what, who is gone.

The unit is the grant, not the partition: a grant is one table with one writer, made anew as a whole when the grant is amended,
and a database file has one writer anyway. Whoever is assigned partition 0 of a grant's topic delivers the whole grant; what the
group says about its other partitions means nothing here. Nothing is read through the group's own consumer, and nothing is
committed to it: where to go on stands in the sink, as always.

A grant that is taken away is delivered to the end of the batch at hand before the group goes on; a deliverer that died is
noticed after the session timeout. One that was only asleep still writes when it wakes, and its sink rolls that back.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from consumers import telemetry
from consumers.control import GrantWatch
from consumers.deliver import deliver
from consumers.kafka_errors import as_ours
from consumers.pace import Pace
from consumers.plan import Plan
from consumers.report import DeliveryReport
from infra.runtime.kafka import consumer_config
from infra.runtime.settings import Settings
from schemas.errors import BusError, ConfigError, TransientError
from schemas.ids import own_groups
from schemas.policy_state import GrantInForce
from schemas.text import Text

_POLL_S = 0.2
_AGAIN_S = 1.0
_CLIENT = {
    # a topic that a broker does not know of yet, because it is that new, is asked for again only this often
    "topic.metadata.refresh.interval.ms": 2_000,
}
_CHOOSING = 0
"""The partition whose owner delivers the grant."""


def deliver_shared(
    settings: Settings, plan: Plan, stop: threading.Event, pace: Pace | None = None
) -> dict[str, DeliveryReport | BusError]:
    """Deliver what the group leaves to this process of a plan, until `stop` is set or all its grants have ended; what became of
    each grant delivered here. `pace` bounds all of this process together.

    A grant whose delivery ends with an error does not stop the others; its error is its outcome, and it is not begun again
    here. Raises ConfigError for an unknown grant or grants of several subscribers, TransientError if the cluster is out of
    reach at the start.
    """
    with GrantWatch(settings) as watch:
        grants = [watch.grant(grant) for grant in plan.sinks]
        group = own_groups(_subscriber(grants)) + f"deliveries.{plan.name}"
        with _Share(settings, group, plan.sinks, watch, pace) as share:
            while not stop.is_set() and not share.finished:
                share.turn()
        return share.outcomes


def _subscriber(grants: Sequence[GrantInForce]) -> str:
    found = sorted({g.grant.subscriber for g in grants})
    if len(found) > 1:
        raise ConfigError(
            Text(
                f"the grants of a plan are one department's; these are {', '.join(found)}'s.",
                f"一份计划中的授权须属于同一部门; 现属于 {', '.join(found)}。",
            ),
            where="deliveries",
            hint=Text("Make a plan for each.", "请分别建立计划。"),
        )
    return found[0]


@dataclass(slots=True)
class _Running:
    """A grant in delivery, in a thread of its own."""

    stop: threading.Event
    thread: threading.Thread


class _Share:
    """This process's membership of the group, and the deliveries that come of it. One thread; a context manager."""

    def __init__(
        self, settings: Settings, group: str, sinks: Mapping[str, str], watch: GrantWatch, pace: Pace | None
    ) -> None:
        self.outcomes: dict[str, DeliveryReport | BusError] = {}
        self._settings, self._sinks, self._watch, self._pace = settings, sinks, watch, pace
        self._consumer = Consumer(consumer_config(settings, group, **_CLIENT))
        self._running: dict[str, _Running] = {}
        self._topics: dict[str, str] = {}
        self._owned: set[str] = set()
        self._group = group
        self._fault: BaseException | None = None

    def turn(self) -> None:
        """Follow the group for a moment, and the grants: an amended one has another topic."""
        topics = self._newest()
        if topics != self._topics:
            self._topics = topics
            self._consumer.subscribe(
                sorted(topics.values()), on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
            )
        message = self._consumer.poll(_POLL_S)
        error = message.error() if message is not None else None
        if error is not None and error.fatal():
            raise as_ours(error, self._group)
        if error is not None:
            telemetry.group_troubled(self._group, error.name())
        if self._fault is not None:
            raise self._fault
        self._follow()

    @property
    def finished(self) -> bool:
        """Whether every grant of the plan has ended and nothing is being delivered any more."""
        active = any(r.thread.is_alive() for r in self._running.values())
        return not active and self._over()

    def __enter__(self) -> _Share:
        return self

    def __exit__(self, *_: object) -> None:
        self._end(list(self._running))
        self._consumer.close()

    # -- what the group says, inside `poll`

    def _assigned(self, _: Consumer, places: list[TopicPartition]) -> None:
        self._consumer.incremental_assign(places)
        self._consumer.pause(places)  # who delivers reads with a consumer of its own, from where the sink is
        self._owned |= {p.topic for p in places if p.partition == _CHOOSING}

    def _revoked(self, _: Consumer, places: list[TopicPartition]) -> None:
        """Returns, and so lets another begin, when the batches at hand are through."""
        self._owned -= {p.topic for p in places if p.partition == _CHOOSING}
        self._end([g for g in self._running if self._topics.get(g) not in self._owned])

    # -- the deliveries

    def _follow(self) -> None:
        mine = {topic: grant for grant, topic in self._topics.items()}
        for topic in self._owned & mine.keys():
            grant = mine[topic]
            if grant not in self._running:
                self._start(grant)

    def _start(self, grant: str) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=self._deliver, args=(grant, stop), name=f"deliver-{grant}", daemon=True)
        self._running[grant] = _Running(stop, thread)
        self.outcomes.pop(grant, None)
        telemetry.shared(self._group, grant)
        thread.start()

    def _deliver(self, grant: str, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.outcomes[grant] = deliver(
                    self._settings, grant, self._sinks[grant], stop=stop, watch=self._watch, pace=self._pace
                )
            except TransientError as error:  # before there was a delivery that could retry by itself
                telemetry.retried(grant, error, 1, _AGAIN_S)
                stop.wait(_AGAIN_S)
            except BusError as error:
                if not stop.is_set():  # else it was taken away before it began, which is nobody's fault
                    self.outcomes[grant] = error
                return
            except BaseException as error:  # noqa: BLE001 - a fault of the program, raised where the process can end with it
                self._fault = error
                return
            else:
                return

    def _end(self, grants: Sequence[str]) -> None:
        for grant in grants:
            self._running[grant].stop.set()
        for grant in grants:
            self._running.pop(grant).thread.join()
            telemetry.handed_over(self._group, grant)

    def _newest(self) -> dict[str, str]:
        """Topic of each grant as it is now; what was known, while the control log is out of reach. One that had ended before is
        left out: its topic may be gone."""
        try:
            known = self._watch.state().grants
        except TransientError:
            return self._topics
        wanted = [known[grant] for grant in self._sinks if known[grant].ended is None or grant in self._topics]
        return {g.grant.id: g.topic for g in wanted}

    def _over(self) -> bool:
        try:
            known = self._watch.state().grants
        except TransientError:
            return False
        return all(known[grant].ended is not None for grant in self._sinks)
