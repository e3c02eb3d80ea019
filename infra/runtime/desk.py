"""Desks as Kafka holds them: `desk.<department>`, written with the control log in one transaction, read by the department.

Only a secured cluster has desks. Where everybody may read the control log anyway, a copy of it protects nothing, and would
cost a topic for each department and a question to the registry for each grant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.log import LogReader
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.desk import Desk, Entry, ViewShown, concerned, decode, encode, missing, shown
from schemas.ids import desk_topic, own_groups
from schemas.policy_log import Event, GrantOpened
from schemas.policy_state import PolicyState

_THREADS = 8


def desks_kept(settings: Settings) -> bool:
    """Whether the cluster has desks: those that ask who one is do."""
    return settings.security_protocol.startswith("SASL")


class DeskReader(LogReader[Desk]):
    """A department's desk, followed. What `LogReader` says holds, but that a department cannot make its desk itself.

    as_control   read as who keeps the desks, not as the department
    """

    def __init__(self, settings: Settings, department: str, *, as_control: bool = False, wait_ms: int = 50) -> None:
        topic = desk_topic(department)
        more = {} if as_control else {"group": own_groups(department) + "desk", "make": False}

        def fold(desk: Desk, offset: int, _at_ms: int, value: bytes | None) -> Desk:
            return desk.after(decode(value, f"{topic}@{offset}"))

        super().__init__(settings, topic, Desk(), fold, wait_ms=wait_ms, **more)  # type: ignore[arg-type]  # as above


@dataclass(slots=True)
class Copies:
    """What one append to the control log adds to desks: first what they lacked, then the events themselves."""

    settings: Settings
    state: PolicyState
    """Before the append."""
    schemas: Mapping[str, dict[str, Any]]
    """View schemas by topic, as far as they are known; the registry has the others."""
    lacking: list[tuple[str, Entry]] = field(default_factory=list)
    views: dict[str, ViewShown] = field(default_factory=dict)

    def prepare(self, events: Sequence[Event], also: Sequence[str] = ()) -> None:
        """Make the desks that `events` and the departments `also` need, and see what they lack.

        Ends of grants make none: nobody waits for a desk then, and one that is made later is told of them.
        """
        opening = [e for e in events if isinstance(e, GrantOpened)]
        contracts = {d for e in events if e.kind == "contract.published" and (d := concerned(e, self.state))}
        lacking = [
            (department, epoch, event)
            for department in sorted({*also, *contracts, *(e.grant.subscriber for e in opening)})
            for epoch, event in self._lacking(department)
        ]
        self._fetch([*opening, *(e for _, _, e in lacking if isinstance(e, GrantOpened))])
        self.lacking = [(desk_topic(d), self._entry(epoch, event)) for d, epoch, event in lacking]

    def records(
        self, events: Sequence[Event], offsets: Sequence[int], there: Callable[[str], bool]
    ) -> Iterator[tuple[str, bytes]]:
        """Topic and value of everything to be written, once the offsets of `events` are known. `there`: whether a topic is."""
        for topic, entry in self.lacking:
            yield topic, encode(entry)
        known: dict[str, bool] = {topic: True for topic, _ in self.lacking}
        for offset, event in zip(offsets, events, strict=True):
            department = concerned(event, self.state)
            if department is None:
                continue
            topic = desk_topic(department)
            if topic not in known:
                known[topic] = there(topic)
            if known[topic]:
                yield topic, encode(self._entry(offset, event))

    def _lacking(self, department: str) -> list[tuple[int, Any]]:
        with DeskReader(self.settings, department, as_control=True, wait_ms=5) as reader:
            return sorted(missing(self.state, reader.read_to_end(), department), key=lambda found: found[0])

    def _entry(self, epoch: int, event: Event) -> Entry:
        view = self.views[event.topic] if isinstance(event, GrantOpened) else None
        return Entry(epoch=epoch, event=event, view=view)

    def _fetch(self, opening: Sequence[GrantOpened]) -> None:
        if not opening:
            return
        with closing(Registry(self.settings)) as registry, ThreadPoolExecutor(_THREADS) as pool:

            def view(event: GrantOpened) -> tuple[str, ViewShown]:
                known = self.state.contracts.get(event.grant.resource)
                schema = self.schemas.get(event.topic) or registry.schema(event.schema_id)
                return event.topic, shown(schema, known.contract if known else None)

            self.views = dict(pool.map(view, opening))
