"""The matrix: a city's topics and ACLs set up on a secured cluster, every cell tried, and what came of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr

from infra.control.topics import Wanted, create
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog
from infra.runtime.settings import Settings
from infra.security.acls import CONTROL, OWN_USERS
from infra.security.follow import follow
from infra.security.principals import make_users
from schemas.policy_log import GrantOpened
from schemas.view_event import view_event_schema
from tests.security_matrix.probes import Probes
from tests.security_matrix.scenario import (
    CLUSTER_OPERATIONS,
    GROUP_OPERATIONS,
    OPERATIONS,
    TOPIC_OPERATIONS,
    TRANSACTION_OPERATIONS,
    City,
)

_THREADS = 6
_VIEW = view_event_schema([{"name": "uscc", "type": "string"}], [{"name": "uscc", "type": "string"}], before=False)
_INTRUDERS_WAIT_S = 1.0
_LAST = ("write", "delete")
"""These change what others are tried on: every other cell comes before."""


_SILENCE = ("no answer", "_TIMED_OUT", "_MSG_TIMED_OUT", "_TRANSPORT", "_NOENT", "connection closed", "TimeoutError")


@dataclass(frozen=True, slots=True)
class Cell:
    """One attempt. `said`: what the broker refused it with, None if it let it be done."""

    principal: str
    operation: str
    name: str
    allowed: bool
    said: str | None
    intruder: bool = False
    """Could not log in: silence is a refusal too."""

    @property
    def wrong(self) -> bool:
        """Refused what is allowed, or let done what is not; or of somebody who is let in, nothing was heard."""
        silent = (
            _SILENCE if not self.intruder else ("TimeoutError",)
        )  # their clients wait in vain; the bare requests do not
        return self.allowed != (self.said is None) or self.said in silent


@dataclass(frozen=True, slots=True)
class Matrix:
    """All cells of a city."""

    cells: Sequence[Cell]

    @property
    def wrong(self) -> list[Cell]:
        """Those that are not as they must be."""
        return [c for c in self.cells if c.wrong]

    def counts(self) -> dict[str, int]:
        """Cells tried, let done, refused, and wrong."""
        done = sum(c.said is None for c in self.cells)
        return {
            "cells": len(self.cells), "allowed": done, "refused": len(self.cells) - done, "wrong": len(self.wrong)
        }  # fmt: skip

    def rows(self) -> list[list[str]]:
        """Per principal and operation: allowed/refused, with ! for each that is wrong."""
        principals = list(dict.fromkeys(c.principal for c in self.cells))
        return [[p, *(self._cell(p, o) for o in OPERATIONS)] for p in principals]

    def facts(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {
            **self.counts(),
            "refused_with": dict(Counter(c.said for c in self.cells if c.said is not None)),
            "wrong_cells": [asdict(c) for c in self.wrong],
            "tried": [asdict(c) for c in self.cells],
        }

    def _cell(self, principal: str, operation: str) -> str:
        mine = [c for c in self.cells if (c.principal, c.operation) == (principal, operation)]
        done, wrong = sum(c.said is None for c in mine), sum(c.wrong for c in mine)
        return f"{done}/{len(mine) - done}" + "!" * min(wrong, 3)


def set_up(city: City, control: Settings) -> Callable[[str], Settings]:
    """Make the city on a secured cluster of its own, as the control plane does: users, contracts and grants in the control log,
    topics, desks and ACLs. How each user gets in."""
    client = admin(control)
    made = make_users(client, [u for u in city.everybody if u not in OWN_USERS])
    passwords = {u.name: SecretStr(u.password) for u in made}
    events = city.events()
    with ControlLog(control) as log:
        log.append(events, {e.topic: _VIEW for e in events if isinstance(e, GrantOpened)})
        log.fill_desks(list(city.systems))
        state = log.state
    create(client, [Wanted(t, 1, {}) for t in city.topics], client.list_topics(timeout=10).topics)
    follow(control, state)
    _settle(client, city)
    return lambda user: control.model_copy(update={"sasl_username": user, "sasl_password": passwords[user]})


def _settle(client: AdminClient, city: City) -> None:
    """Groups have a coordinator only some time after somebody asked for the first."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        answers = [a.exception() for a in client.describe_consumer_groups(city.groups, request_timeout=10).values()]
        if all(e is None or e.args[0].code() in _SETTLED for e in answers):
            return
        time.sleep(0.1)
    raise AssertionError("the groups have no coordinator")


_SETTLED = (KafkaError.GROUP_ID_NOT_FOUND, KafkaError.GROUP_AUTHORIZATION_FAILED)


def try_all(city: City, login: Callable[[str], Settings], intruders: Mapping[str, Settings]) -> Matrix:
    """Try every cell.

    login       settings with which a user of `city.everybody` gets in
    intruders   settings of those who should not, by what is wrong with them
    """
    cells: list[Cell] = []
    people = {user: Probes(login(user)) for user in city.everybody}
    outside = {name: Probes(settings, _INTRUDERS_WAIT_S) for name, settings in intruders.items()}
    with ThreadPoolExecutor(_THREADS) as pool:
        for found in pool.map(lambda who: list(_quiet(city, *who)), [*people.items(), *outside.items()]):
            cells += found
        for operation in _LAST:
            work = partial(_topics_of, city, operation)
            for found in pool.map(work, [who for who in (*people.items(), *outside.items()) if who[0] != CONTROL]):
                cells += found
            cells += work((CONTROL, people[CONTROL]))  # whoever may delete a topic comes last
    return Matrix(cells)


def _quiet(city: City, name: str, probes: Probes) -> Iterator[Cell]:
    for operation in TOPIC_OPERATIONS:
        if operation not in _LAST:
            yield from _topics(city, name, probes, operation)
    for operation in GROUP_OPERATIONS:
        said = probes.groups(operation, city.groups)
        yield from (_cell(city, name, operation, g, said[g]) for g in city.groups)
    for operation in TRANSACTION_OPERATIONS:
        said = probes.transactions(operation, city.transactions)
        yield from (_cell(city, name, operation, t, said[t]) for t in city.transactions)
    for operation in CLUSTER_OPERATIONS:
        yield _cell(city, name, operation, "cluster", probes.cluster(operation))


def _topics(city: City, name: str, probes: Probes, operation: str) -> Iterator[Cell]:
    names = [*city.topics, *city.new] if operation == "create" else city.topics
    said = probes.topics(operation, names)
    yield from (_cell(city, name, operation, t, said[t]) for t in names)


def _topics_of(city: City, operation: str, who: tuple[str, Probes]) -> list[Cell]:
    return list(_topics(city, *who, operation))


def _cell(city: City, principal: str, operation: str, name: str, said: str | None) -> Cell:
    intruder = principal not in city.everybody
    return Cell(principal, operation, name, city.allowed(principal, operation, name), said, intruder)
