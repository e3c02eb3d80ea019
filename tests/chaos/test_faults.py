"""Each fault alone, against real processes in one city, and then a mixed run: after each every record is counted."""

from __future__ import annotations

import resource as limits
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition

from infra.control.topics import create, delete, of_grant, partition_counts
from infra.runtime.kafka import admin
from schemas.ids import EXCHANGE_GROUP, grant_topic, source_topic
from stream_apps.exchange.marks import Mark, read_mark
from tests.chaos.cast import TOWN
from tests.chaos.faults import FAULTS, SESSION_S, ClockJump, Corrupt, Cut, Fault, Freeze, Kill, Storm, Zombie
from tests.chaos.lab import Lab, lab
from tests.chaos.run import Run

_SEED = 20261129
_RESTARTED = ("exchange-", "publish-")


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """A small city in which everything flows."""
    with lab(_SEED, TOWN) as town:
        made = Run(town, Random(_SEED), print)
        made.inflict([])
        yield made


def counted(run: Run) -> None:
    """Nothing lost, doubled, out of order or unexplained, from the city's first record on."""
    found = run.count()
    assert found.clean, "\n".join([*found.unexplained, *(str(line) for line in found.lines if not line.clean)])
    run.go_on()


ALONE: dict[str, Fault] = {
    "kill publisher": Kill("kill publisher", 0.3, machines=["publish-police.people"]),
    "kill exchange": Kill("kill exchange", 0.3, machines=["exchange-anna", "exchange-bert"]),
    "kill deliverers": Kill("kill deliverers", 0.3, machines=["deliver-taxes", "deliver-water"]),
    "kill broker": Kill("kill broker", 1.0, machines=["broker"]),
    "kill everything": Kill(
        "kill everything",
        0.0,
        machines=[
            *("publish-police.people", "exchange-anna", "exchange-bert", "deliver-taxes", "deliver-water"),
            *("registry", "broker"),
        ],
    ),
    "freeze exchange": Freeze("freeze exchange", SESSION_S + 2, machine="exchange-anna"),
    "zombie deliverer, PostgreSQL": Zombie("zombie", 0.2, (*_RESTARTED, "deliver-"), machine="deliver-taxes"),
    "zombie deliverer, SQLite": Zombie("zombie", 0.2, (*_RESTARTED, "deliver-"), machine="deliver-water"),
    "cut exchange": Cut("cut exchange", SESSION_S + 2, party="exchange"),
    "reset exchange": Cut("reset exchange", 1.0, party="exchange", how="reset"),
    "cut deliverers": Cut("cut deliverers", 3.0, party="deliverers"),
    "cut database": Cut("cut database", 3.0, party="database"),
    "reset database": Cut("reset database", 1.0, party="database", how="reset"),
    "rebalance storm": Storm("rebalance storm", 10.0, every_s=2.0),
    "clock jump, exchange": ClockJump("clock jump", 6.0, machine="exchange-anna"),
    "clock jump, deliverer": ClockJump("clock jump", 6.0, machine="deliver-taxes"),
    "corrupt record": Corrupt("corrupt record", 0.2, resource="police.people", keys=["k1", "k2", "k3", "k4", "k5"]),
}


@pytest.mark.parametrize("name", ALONE)
def test_nothing_is_lost_doubled_or_out_of_order_by(run: Run, name: str) -> None:
    run.inflict([ALONE[name]])
    counted(run)


@pytest.mark.parametrize("name", ["crash database", "lock database", "change password"])
def test_what_befalls_a_database_is_waited_for(run: Run, name: str) -> None:
    run.inflict([FAULTS[name](run.lab, Random(1))])
    assert not [e for m in run.lab.kind("deliver-") for e in m.exits], "no person is needed"
    counted(run)


def test_a_constraint_no_row_can_meet_stops_its_delivery_which_says_so_and_goes_on_once_it_is_gone(run: Run) -> None:
    deliverer = run.lab.machines["deliver-taxes"]
    before, fault = len(deliverer.exits), FAULTS["break constraint"](run.lab, Random(1))
    run.inflicted(fault.name, fault.may_end)
    fault.begin(run.lab)
    try:
        run.lab.until(lambda: len(deliverer.exits) > before, 60, "an event comes, and its delivery ends")
    finally:
        fault.end(run.lab)
    run.inflict([])
    assert "SQLSTATE 23503" in deliverer.log.read_text()
    counted(run)


def test_a_file_that_may_not_grow_is_waited_for(run: Run) -> None:
    """As on a full disk: the kernel refuses every write beyond a little more than the table needs, so the write-ahead log's."""
    deliverer = run.lab.machines["deliver-water"]
    assert deliverer.process is not None
    path = Path(next(address for _, to, address in run.lab.pairs() if to == "sqlite").partition(":")[2])
    said = deliverer.log.stat().st_size
    limit = max(path.stat().st_size, said) + 50_000
    before = limits.prlimit(deliverer.process.pid, limits.RLIMIT_FSIZE, (limit, limits.RLIM_INFINITY))
    try:
        run.lab.until(lambda: "(SQLITE_" in deliverer.log.read_text()[said:], 60, "a write is refused")
    finally:
        limits.prlimit(deliverer.process.pid, limits.RLIMIT_FSIZE, before)
    run.inflict([])
    assert deliverer.alive, "no person is needed"
    counted(run)


def test_what_is_known_flows_on_while_the_registry_is_down(run: Run) -> None:
    town = run.lab
    run.inflict([])  # publishers have begun: they ask for their contract once
    down = Kill("kill registry", 0.0, machines=["registry"])
    down.begin(town)
    try:
        before = [town.delivered(*pair) for pair in town.pairs()]
        town.until(
            lambda: all(town.delivered(*pair) > n for pair, n in zip(town.pairs(), before, strict=True)), 30, "it flows"
        )
    finally:
        down.end(town)
    counted(run)


def test_a_minute_of_mixed_faults_loses_nothing(run: Run) -> None:
    run.for_minutes((run.now + 45) / 60, sorted(FAULTS))
    counted(run)


def test_a_topic_made_anew_is_refused_until_a_rebuild_and_then_equals_the_model(run: Run) -> None:
    """Last: the grant's history is told again from here on, so that its events are no longer counted one by one."""
    town = run.lab
    granted, deliverer = town.granted["district", "police.people"], town.machines["deliver-water"]
    client, topic = admin(town.settings), grant_topic(granted.id, 1)
    run.inflicted("topic deleted", ("deliver-water", *_RESTARTED))
    delete(client, [topic])
    town.until(lambda: all(mark.off for mark in marks(town)), 60, "the exchange misses it, for both partitions")
    deliverer.wanted = False
    town.until(lambda: not deliverer.alive, 60, "the deliverer ends")
    assert ended(deliverer.log.read_text()) == "does not exist"
    create(client, [of_grant(granted.id, 1, TOWN.partitions)], partition_counts(client))
    deliverer.start()
    deliverer.wanted = False
    town.until(lambda: not deliverer.alive, 60, "the deliverer ends again")
    assert ended(deliverer.log.read_text()) == "deleted and created again"
    town.retold.add(granted.id)
    sink = town.sink("district", "police.people", "sqlite")
    rebuilt = town.machine(
        "rebuild",
        "deliverers",
        *("infra.bus", "--json", "deliver", "--grant", granted.id, "--sink", sink, "--rebuild", "--until", "caught-up"),
    )
    rebuilt.start()
    town.until(lambda: not rebuilt.alive, 60, "the rebuild ends")
    assert rebuilt.stop() == 0
    deliverer.start()
    counted(run)


def marks(town: Lab) -> list[Mark]:
    """What the exchange's group has noted of each partition."""
    places = [TopicPartition(source_topic("police.people"), p) for p in range(TOWN.partitions)]
    client = admin(town.settings)
    answer = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(EXCHANGE_GROUP, places)])
    return [read_mark(place.metadata or "") for place in answer[EXCHANGE_GROUP].result().topic_partitions]


def ended(log: str) -> str | None:
    """Which of the two reasons a deliverer gave last."""
    found = {log.rfind(words): words for words in ("does not exist", "deleted and created again")}
    return found[max(found)]


def test_two_runs_of_one_seed_choose_the_same_faults(run: Run) -> None:
    def chosen(town: Lab) -> list[tuple[str, float]]:
        dice = Random("faults:7")
        return [(f.name, f.hold_s) for f in (FAULTS[name](town, dice) for name in sorted(FAULTS))]

    assert chosen(run.lab) == chosen(run.lab)
