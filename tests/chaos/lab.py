"""The whole bus on one machine, from a generator to databases, as processes that can be harmed, and its ledger at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from psycopg import sql

from consumers.naming import table_name
from infra.control import apply_contract, apply_grant
from infra.runtime.kafka import admin, producer_config
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from producers.positions import read_position
from schemas.ids import DEAD_LETTER_TOPIC, EXCHANGE_GROUP, grant_topic, source_topic
from tests.chaos.cast import BATCH, Cast, Granted, contract, grants_on
from tests.chaos.cluster import OwnCluster, own_cluster
from tests.chaos.database import Database, database
from tests.chaos.ledger import Held, Ledger, Record, Sequences, grant_line, sink_line, source_line
from tests.chaos.machine import Machine
from tests.chaos.model import CORRUPT, changes_of
from tests.chaos.publisher import ADAPTER
from tests.chaos.reading import Reader, ends, messages

PARTIES = ("publishers", "exchange", "deliverers")
_LOOK_S = 0.1


@dataclass
class Lab:
    """A running city. Call `tend` often: it is the supervisor."""

    home: Path
    seed: int
    cast: Cast
    cluster: OwnCluster
    database: Database
    settings: Settings
    granted: dict[tuple[str, str], Granted] = field(default_factory=dict)
    """By kind and resource: those that somebody delivers."""
    machines: dict[str, Machine] = field(default_factory=dict)
    made: list[Machine] = field(default_factory=list)
    """Every Python process there ever was."""
    corrupted: int = 0
    """Corrupt records written so far."""
    stepped_back: dict[str, int] = field(default_factory=dict)
    """By grant and sink: rows that were seen older than they had been seen before."""
    retold: set[str] = field(default_factory=set)
    """Grants whose topic was made anew, and filled from the source's history."""
    _seen: dict[str, dict[str, int]] = field(default_factory=dict)
    _contracts: dict[str, int] = field(default_factory=dict)
    """Schema id of each resource's events."""
    _reader: Reader = field(init=False)

    # -- what runs

    def machine(self, name: str, party: str, *arguments: str) -> Machine:
        """A Python process on one party's network."""
        environment = dict(os.environ) | {
            "BUS_HOME": str(self.home / "state"),
            "BUS_BOOTSTRAP_SERVERS": self.cluster.address(party),
            "BUS_REGISTRY_URL": self.settings.registry_url or "",
            "BUS_KEY_FILE": str(self.settings.key_file),
            "BUS_KEY_COMMAND": "",
            "BUS_KEY_FINGERPRINT": "",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        made = Machine(name, [sys.executable, "-m", *arguments], environment, self.home / f"{name}.log", self.home)
        self.made.append(made)
        return made

    def worker(self, name: str) -> Machine:
        """An exchange worker, not started."""
        return self.machine(
            f"exchange-{name}", "exchange", "infra.bus", "--json", "exchange", "--worker", "--instance", name
        )

    def deliverer(self, name: str) -> Machine:
        """The deliverer of this name as a new process, not started: `bus deliver` for one pair, else ours for several."""
        [delivery] = [d for d in self.cast.deliveries if d.name == name]
        pairs = [
            (self.granted[kind, resource].id, self.sink(kind, resource, to)) for kind, resource, to in delivery.pairs
        ]
        if len(pairs) == 1:
            grant, sink = pairs[0]
            told = ["infra.bus", "--json", "deliver", "--grant", grant, "--sink", sink]
        else:
            told = ["tests.chaos.deliverer", *(word for pair in pairs for word in pair)]
        return self.machine(name, "deliverers", *told)

    def publisher(self, resource: str) -> Machine:
        """The publisher of a resource, not started."""
        words = ["tests.chaos.publisher", resource, self.seed_of(resource), str(self.cast.rate)]
        return self.machine(f"publish-{resource}", "publishers", *words)

    def sink(self, kind: str, resource: str, to: str) -> str:
        """Address of the sink of a pair."""
        if to == "postgresql":
            return self.database.url
        return f"{to}:{self.home / 'out' / f'{self.granted[kind, resource].id}.{to}'}"

    def seed_of(self, resource: str) -> str:
        return f"{self.seed}:{resource}"

    def kind(self, prefix: str) -> list[Machine]:
        """The machines whose names begin so."""
        return [m for name, m in sorted(self.machines.items()) if name.startswith(prefix)]

    def add(self, machine: Machine) -> Machine:
        """Start a machine, and keep it running from now on."""
        self.machines[machine.name] = machine
        machine.start()
        return machine

    def begin(self) -> None:
        """Contracts, grants, and every process."""
        for resource in self.cast.resources:
            applied = apply_contract(self.settings, contract(resource, self.cast.partitions))
            self._contracts[resource] = applied.schema_id
        for delivery in self.cast.deliveries:
            for kind, resource, _ in delivery.pairs:
                self.granted[kind, resource] = granted = grants_on(resource)[kind]
                apply_grant(self.settings, granted.document())
        self._reader = Reader(self._schemas())
        for machine in (self.cluster.registry, *self.cluster.brokers, self.database.machine):
            self.machines[machine.name] = machine
        for name in self.cast.workers:
            self.add(self.worker(name))
        for delivery in self.cast.deliveries:
            self.add(self.deliverer(delivery.name))
        for resource in self.cast.resources:
            self.add(self.publisher(resource))

    def _schemas(self) -> dict[int, Any]:
        """Every schema there is, read while nothing is harmed."""
        from infra.control import state
        from schemas.change_event import change_event_schema

        found = state(self.settings)
        registry = Registry(self.settings)
        try:
            out = {g.schema_id: registry.schema(g.schema_id) for g in found.grants.values()}
        finally:
            registry.close()
        return out | {c.schema_id: change_event_schema(c.contract) for c in found.contracts.values()}

    def tend(self) -> None:
        """Start again what ended by itself."""
        for machine in self.machines.values():
            machine.tend()

    def wait(self, seconds: float) -> None:
        """Tend for so long."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.tend()
            time.sleep(min(_LOOK_S, left))

    def until(self, true: Callable[[], bool], seconds: float, what: str) -> None:
        """Tend until it is true; AssertionError that says `what` if that takes too long."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
            self.wait(_LOOK_S)

    def corrupt(self, resource: str, keys: Sequence[str]) -> None:
        """Write, with the provider's rights, a record under each key that cannot be read."""
        topic = source_topic(resource)
        schema_id = self._contracts[resource]
        head = b"\0" + schema_id.to_bytes(4, "big")
        producer = Producer(producer_config(self.settings))
        for key in keys:
            producer.produce(topic, head + b"\xff\xff", key.encode())
        assert producer.flush(30) == 0
        self.corrupted += len(keys)

    # -- what is where

    def pairs(self) -> Iterator[tuple[Granted, str, str]]:
        """Every grant with the kind and the address of each of its sinks."""
        for delivery in self.cast.deliveries:
            for kind, resource, to in delivery.pairs:
                yield self.granted[kind, resource], to, self.sink(kind, resource, to)

    def held(self, granted: Granted, to: str, address: str) -> Held | None:
        """What a sink holds; None if it cannot be asked now, or has nothing yet."""
        found = self._ask(to, address, granted.id, "SELECT sum(events) FROM {positions} WHERE grant_id = {grant}")
        rows = self._ask(to, address, granted.id, "SELECT * FROM {table}", named=True)
        if found is None or rows is None or found[0][0] is None:
            return None
        return Held({row["id"]: row for row in rows}, int(found[0][0]))

    def delivered(self, granted: Granted, to: str, address: str) -> int:
        """Events a sink has counted; 0 if it cannot be asked now."""
        found = self._ask(to, address, granted.id, "SELECT sum(events) FROM {positions} WHERE grant_id = {grant}")
        return int(found[0][0] or 0) if found else 0

    def positions(self, granted: Granted, to: str, address: str) -> dict[int, int]:
        """The offsets a sink would read next."""
        question = "SELECT partition, next_offset FROM {positions} WHERE grant_id = {grant}"
        return dict(self._ask(to, address, granted.id, question) or ())

    def _ask(self, to: str, address: str, grant: str, text: str, *, named: bool = False) -> list[Any] | None:
        if to == "postgresql":
            return self._ask_server(grant, text, named=named)
        question = text.format(positions="_bus_positions", grant=f"'{grant}'", table=f'"{table_name(grant)}"')
        path = Path(address.partition(":")[2])
        if not path.exists():
            return None
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
                if named:
                    db.row_factory = sqlite3.Row
                    return [dict(row) for row in db.execute(question)]
                return db.execute(question).fetchall()
        except sqlite3.OperationalError:
            return None

    def _ask_server(self, grant: str, text: str, *, named: bool) -> list[Any] | None:
        question = sql.SQL(text).format(  # type: ignore[arg-type]
            positions=sql.Identifier("_bus_positions"),
            grant=sql.Literal(grant),
            table=sql.Identifier(table_name(grant)),
        )
        try:
            with self.database.connect() as db:
                db.execute("SET statement_timeout = 5000")
                cursor = db.execute(question)
                rows = cursor.fetchall()
                names = [c.name for c in cursor.description or ()]
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
            return None
        return [dict(zip(names, row, strict=True)) for row in rows] if named else list(rows)

    def look(self) -> None:
        """Look into every sink that can be asked now: a row's version never goes back."""
        for granted, to, address in self.pairs():
            name = f"{granted.id} > {to}"
            seen = self._seen.setdefault(name, {})
            for row in self._ask(to, address, granted.id, "SELECT id, version FROM {table}") or ():
                key, version = str(row[0]), int(row[1])
                if version < seen.get(key, 0):
                    self.stepped_back[name] = self.stepped_back.get(name, 0) + 1
                seen[key] = max(version, seen.get(key, 0))

    # -- the end

    def settle(self, seconds: float) -> None:
        """Publishers end after the transaction at hand; then wait until everything is through."""
        for machine in self.kind("publish-"):
            self.until(lambda m=machine: m.alive, 90, f"{machine.name} runs")  # type: ignore[misc]
            code = machine.stop()
            assert code in (0, -signal.SIGTERM), (
                f"{machine.name} ended with {code}"
            )  # the latter if it had hardly begun
        self.until(self._exchanged, seconds, "everything is exchanged")
        self.until(self._delivered, seconds, "everything is delivered")

    def _exchanged(self) -> bool:
        client = admin(self.settings)
        for resource in self.cast.resources:
            topic = source_topic(resource)
            wanted = ends(self.settings, topic, self.cast.partitions)
            asked = ConsumerGroupTopicPartitions(EXCHANGE_GROUP, [TopicPartition(topic, p) for p in wanted])
            try:
                places = client.list_consumer_group_offsets([asked])[EXCHANGE_GROUP].result().topic_partitions
            except KafkaException:
                return False
            if any(place.offset < wanted[place.partition] for place in places):
                return False
        return True

    def _delivered(self) -> bool:
        for granted, to, address in self.pairs():
            wanted = ends(self.settings, grant_topic(granted.id, 1), self.cast.partitions)
            if self.positions(granted, to, address) != wanted:
                return False
        return True

    def published(self, resource: str) -> int:
        """Batches the publisher's position in Kafka says are published."""
        return int(read_position(self.settings, ADAPTER, contract(resource, self.cast.partitions)) or 0)

    def ledger(self) -> Ledger:
        """Count everything."""
        out = Ledger()
        sequences: dict[str, Sequences] = {}
        for resource in self.cast.resources:
            changes = changes_of(self.seed_of(resource), self.published(resource), BATCH)
            line, sequences[resource] = source_line(resource, changes, self._records(source_topic(resource)))
            out.lines.append(line)
        topics: dict[str, int] = {}
        for granted in self.granted.values():
            records = self._records(grant_topic(granted.id, 1))
            retold = granted.id in self.retold
            line = grant_line(granted.id, sequences[granted.resource], granted.release, records, retold=retold)
            out.lines.append(line)
            topics[granted.id] = line.due
        for granted, to, address in self.pairs():
            held = self.held(granted, to, address)
            if held is None:
                out.unexplained.append(f"{granted.id}: its {to} cannot be read")
                continue
            name = f"{granted.id} > {to}"
            line = sink_line(name, sequences[granted.resource], granted.release, topics[granted.id], held)
            line.out_of_order = self.stepped_back.get(name, 0)
            out.lines.append(line)
        self._explain(out, sequences)
        return out

    def _explain(self, out: Ledger, sequences: Mapping[str, Sequences]) -> None:
        """Dead letters are as many as corrupt records, and nothing else became one."""
        found = sum(change is CORRUPT for own in sequences.values() for key in own.values() for change in key)
        letters = len(
            {m.key() for m in messages(self.settings, DEAD_LETTER_TOPIC)}
        )  # a history told again makes them again
        if not self.corrupted == found == letters:
            out.unexplained.append(f"{self.corrupted} corrupt records written, {found} found, {letters} dead letters")

    def _records(self, topic: str) -> list[Record]:
        out = []
        for message in messages(self.settings, topic):
            value, key = message.value(), message.key()
            assert key is not None
            content = None if value is None else self._reader.read(value)
            place = (int(message.partition() or 0), int(message.offset() or 0))
            out.append(Record(*place, key.decode(), content, value is None))
        return out


@contextmanager
def lab(seed: int, cast: Cast, *, logs: Path | None = None) -> Iterator[Lab]:
    """A city that is gone at the end, however that comes. `logs`: a folder where its logs are kept."""
    folder = Path(tempfile.mkdtemp(prefix="bus-chaos-"))
    key = folder / "master.key"
    key.write_text(secrets.token_hex(32))
    key.chmod(0o600)
    (folder / "cluster").mkdir()
    try:
        with ExitStack() as stack:
            server = stack.enter_context(database())
            cluster = stack.enter_context(own_cluster(folder / "cluster", PARTIES))
            made = Lab(folder, seed, cast, cluster, server, cluster.settings(key))
            stack.callback(lambda: [m.kill() for m in made.made])
            made.begin()
            yield made
    finally:
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)
            for log in folder.glob("*.log"):
                shutil.copy(log, logs)
        shutil.rmtree(folder, ignore_errors=True)
