"""The matrix: a city's topics and ACLs set up on a secured cluster, every cell tried, and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from infra.control.topics import Wanted, create
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from infra.security.acls import wanted
from infra.security.reconcile import drift, held, repair
from schemas.policy_log import PolicyState
from tests.security_matrix.probes import Probes
from tests.security_matrix.scenario import CLUSTER_OPERATIONS, GROUP_OPERATIONS, OPERATIONS, TOPIC_OPERATIONS, City

_THREADS = 4
_INTRUDERS_WAIT_S = 4.0
_LAST = ("write", "delete")
"""These change what others are tried on: every other cell comes before."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One attempt. `said`: what the broker refused it with, None if it let it be done."""

    principal: str
    operation: str
    name: str
    allowed: bool
    said: str | None

    @property
    def wrong(self) -> bool:
        """Refused what is allowed, or let done what is not, or neither."""
        return self.allowed != (self.said is None) or self.said == "no answer"


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


def set_up(city: City, root: Settings) -> None:
    """Make the city's topics and ACLs, as who may do everything."""
    client, state = admin(root), PolicyState()
    create(client, [Wanted(t, 1, {}) for t in city.topics], client.list_topics(timeout=10).topics)
    for offset, event in enumerate(city.events()):
        state = state.after(offset, event)
    found = held(client)
    assert found is not None, "the cluster has no authorizer"
    repair(client, drift(wanted(state, city.users), found))


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
            ordered = sorted([*people.items(), *outside.items()], key=lambda who: who[0] == "control")
            for name, probes in ordered:  # one after the other: whoever may delete a topic comes last
                cells += _topics(city, name, probes, operation)
    return Matrix(cells)


def _quiet(city: City, name: str, probes: Probes) -> Iterator[Cell]:
    for operation in TOPIC_OPERATIONS:
        if operation not in _LAST:
            yield from _topics(city, name, probes, operation)
    for operation in GROUP_OPERATIONS:
        said = probes.groups(operation, city.groups)
        yield from (_cell(city, name, operation, g, said[g]) for g in city.groups)
    said = probes.transactions(city.transactions)
    yield from (_cell(city, name, "transactional id", t, said[t]) for t in city.transactions)
    for operation in CLUSTER_OPERATIONS:
        yield _cell(city, name, operation, "cluster", probes.cluster(operation))


def _topics(city: City, name: str, probes: Probes, operation: str) -> Iterator[Cell]:
    names = [*city.topics, *city.new] if operation == "create" else city.topics
    said = probes.topics(operation, names)
    yield from (_cell(city, name, operation, t, said[t]) for t in names)


def _cell(city: City, principal: str, operation: str, name: str, said: str | None) -> Cell:
    return Cell(principal, operation, name, city.allowed(principal, operation, name), said)
