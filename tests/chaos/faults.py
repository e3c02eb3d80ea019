"""What can go wrong, as small objects: a name, `begin`, now and then `tick`, and `end` after `hold_s` seconds."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal, Protocol

import psycopg
from psycopg import sql

from consumers.naming import table_name
from tests.chaos.cast import Granted
from tests.chaos.lab import Lab
from tests.chaos.machine import Machine
from tests.kit.wrong_clock import WrongClock

SESSION_S = 6.0
"""A worker silent for longer is out of its group."""


class Fault(Protocol):
    """`may_end`: machines (beginnings of their names) that may end by themselves because of it. A deliverer that a fault can
    end would need a person: only those that the documentation says so of are named."""

    name: str
    hold_s: float
    may_end: tuple[str, ...]

    def begin(self, lab: Lab) -> None:
        """Do harm."""

    def tick(self, lab: Lab) -> None:
        """Called every 100 ms while it holds."""

    def end(self, lab: Lab) -> None:
        """Mend it, and return when what was mended answers."""


_RESTARTED = ("exchange-", "publish-")
"""Whoever loses its transactions ends, and its supervisor starts it again."""


@dataclass
class _Fault:
    """Nothing happens between begin and end."""

    name: str
    hold_s: float
    may_end: tuple[str, ...] = _RESTARTED

    def begin(self, lab: Lab) -> None:
        """See `Fault`."""

    def tick(self, lab: Lab) -> None:
        """See `Fault`."""

    def end(self, lab: Lab) -> None:
        """See `Fault`."""


@dataclass
class Kill(_Fault):
    """kill -9 of machines, together; they are started again at the end."""

    machines: Sequence[str] = ()

    def begin(self, lab: Lab) -> None:
        for name in self.machines:
            lab.machines[name].kill()

    def end(self, lab: Lab) -> None:
        for name in self.machines:
            lab.machines[name].start()
        if {"broker", "registry"} & set(self.machines):
            lab.cluster.wait_ready()


@dataclass
class Freeze(_Fault):
    """SIGSTOP, then SIGCONT: whoever it is comes back and believes that no time has passed."""

    machine: str = ""

    def begin(self, lab: Lab) -> None:
        lab.machines[self.machine].freeze()

    def end(self, lab: Lab) -> None:
        lab.machines[self.machine].thaw()


@dataclass
class Zombie(_Fault):
    """A deliverer freezes, another one takes its place, and it comes back. One of the two must be rolled back, say so and end:
    the one that comes back, unless its connection had been ended and it begins anew."""

    machine: str = ""
    _frozen: Machine | None = None

    def begin(self, lab: Lab) -> None:
        self._frozen = frozen = lab.machines[self.machine]
        frozen.wanted = False
        frozen.freeze()
        # one that stands still in mid-transaction keeps a SQLite file locked, and nobody can help it
        lab.until(lambda: self._out_of_files(lab, frozen), 60, f"{self.machine} freezes between transactions")
        before = _delivered_by(lab, self.machine)
        lab.add(lab.deliverer(self.machine))
        # in every sink, else the one that comes back may be first to write again, and the second is the one refused
        lab.until(lambda: _all_more(lab, self.machine, before), 90, f"the second {self.machine} delivers everything")

    def end(self, lab: Lab) -> None:
        frozen, second = self._frozen, lab.machines[self.machine]
        assert frozen is not None and frozen.process is not None
        frozen.thaw()
        lab.until(lambda: not (frozen.alive and second.alive), 90, f"one {self.machine} of two ends")
        if frozen.alive:
            frozen.wanted, second.wanted = True, False
            lab.machines[self.machine] = frozen
        ended = (second if frozen.alive else frozen).process
        assert ended is not None and ended.wait() == 1, "it is refused, and says so"

    def _out_of_files(self, lab: Lab, frozen: Machine) -> bool:
        """Whether no SQLite file is locked; else it goes on a little and is frozen again."""
        for address in [address for _, to, address in _own(lab, self.machine) if to == "sqlite"]:
            with closing(sqlite3.connect(address.partition(":")[2], timeout=0, isolation_level=None)) as db:
                try:
                    db.execute("BEGIN IMMEDIATE")
                    db.execute("ROLLBACK")
                except sqlite3.OperationalError:
                    frozen.thaw()
                    time.sleep(0.01)
                    frozen.freeze()
                    return False
        return True


@dataclass
class Cut(_Fault):
    """The network of a party is cut, silently or by resets, or is slow (`by` seconds)."""

    party: str = ""
    how: Literal["drop", "reset", "slow"] = "drop"
    by: float = 0.2

    def begin(self, lab: Lab) -> None:
        network = lab.database.network if self.party == "database" else lab.cluster.networks[self.party]
        if self.how == "slow":
            network.slow(self.by)
        else:
            network.cut(self.how)

    def end(self, lab: Lab) -> None:
        network = lab.database.network if self.party == "database" else lab.cluster.networks[self.party]
        network.heal()


@dataclass
class DatabaseCrash(_Fault):
    """The database dies without farewell, and is started again."""

    def begin(self, lab: Lab) -> None:
        lab.database.machine.stop()

    def end(self, lab: Lab) -> None:
        lab.database.machine.start()
        lab.database.wait_ready()


@dataclass
class DatabaseLock(_Fault):
    """Somebody locks every table of every delivery, in PostgreSQL and in the SQLite files."""

    _held: list[psycopg.Connection[tuple[object, ...]] | sqlite3.Connection] = field(default_factory=list)

    def begin(self, lab: Lab) -> None:
        for granted, to, address in lab.pairs():
            if to == "postgresql":
                db = lab.database.connect()
                db.autocommit = False
                db.execute(
                    sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.Identifier(table_name(granted.id)))
                )
                self._held.append(db)
            elif to == "sqlite":
                file = sqlite3.connect(address.partition(":")[2], timeout=10, isolation_level=None)
                file.execute("BEGIN IMMEDIATE")
                self._held.append(file)

    def end(self, lab: Lab) -> None:
        for db in self._held:
            db.rollback()
            db.close()


@dataclass
class Password(_Fault):
    """The database's password is another one for a while."""

    def begin(self, lab: Lab) -> None:
        lab.database.set_password(right=False)

    def end(self, lab: Lab) -> None:
        lab.database.set_password(right=True)


@dataclass
class Constraint(_Fault):
    """The department gives its tables a constraint nothing can meet, a key into an empty table (single rows that a CHECK refuses
    would be rejected). Deliveries end and say so; once it is gone they are started again."""

    def begin(self, lab: Lab) -> None:
        with lab.database.connect() as db:
            db.execute("CREATE TABLE IF NOT EXISTS chaos_nothing (version bigint PRIMARY KEY)")
        self._on_tables(
            lab, "ALTER TABLE {} ADD CONSTRAINT chaos FOREIGN KEY (version) REFERENCES chaos_nothing NOT VALID"
        )

    def end(self, lab: Lab) -> None:
        self._on_tables(lab, "ALTER TABLE {} DROP CONSTRAINT chaos")
        for delivery in lab.cast.deliveries:
            if len(delivery.pairs) > 1:  # one of them may have ended while the process goes on with the others
                lab.machines[delivery.name].stop()
                lab.machines[delivery.name].start()

    def _on_tables(self, lab: Lab, text: str) -> None:
        with lab.database.connect() as db:
            for granted, to, _ in lab.pairs():
                if to == "postgresql":
                    db.execute(sql.SQL(text).format(sql.Identifier(table_name(granted.id))))  # type: ignore[arg-type]


@dataclass
class Storm(_Fault):
    """Rebalances: a worker more joins, or leaves, every `every_s` seconds."""

    every_s: float = 2.5
    _next_at: float = 0.0
    _guest: Machine | None = None

    def tick(self, lab: Lab) -> None:
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + self.every_s
        if self._guest is None:
            self._guest = lab.worker("guest")
            self._guest.start()
        else:
            self._guest.stop()
            self._guest = None

    def end(self, lab: Lab) -> None:
        if self._guest is not None:
            self._guest.stop()


@dataclass
class ClockJump(_Fault):
    """The wall clock of a process (Python's; see `tests.kit.wrong_clock`) jumps forward, back, and is right again."""

    machine: str = ""
    jumps_s: tuple[float, ...] = (40 * 60, -3 * 3600, 2 * 24 * 3600)
    _clock: WrongClock | None = None
    _began: float = 0.0

    def begin(self, lab: Lab) -> None:
        self._clock = WrongClock(lab.home / f"{self.machine}.clock")
        before = lab.machines[self.machine]
        before.stop()
        lab.add(replace(before, environment={**before.environment, **self._clock.environment}, process=None, exits=[]))
        lab.made.append(lab.machines[self.machine])
        self._began = time.monotonic()

    def tick(self, lab: Lab) -> None:
        assert self._clock is not None
        past = (time.monotonic() - self._began) / self.hold_s * len(self.jumps_s)
        self._clock.jump(self.jumps_s[min(int(past), len(self.jumps_s) - 1)])

    def end(self, lab: Lab) -> None:
        assert self._clock is not None
        self._clock.jump(0)


@dataclass
class Corrupt(_Fault):
    """Records nobody can read, under keys that live, in the midst of others: written with the provider's rights."""

    resource: str = ""
    keys: Sequence[str] = ()

    def begin(self, lab: Lab) -> None:
        lab.corrupt(self.resource, self.keys)


def _own(lab: Lab, name: str) -> list[tuple[Granted, str, str]]:
    """Grant, kind and address of each sink of a deliverer."""
    [delivery] = [d for d in lab.cast.deliveries if d.name == name]
    return [(lab.granted[kind, resource], to, lab.sink(kind, resource, to)) for kind, resource, to in delivery.pairs]


def _delivered_by(lab: Lab, name: str) -> list[int]:
    return [lab.delivered(*pair) for pair in _own(lab, name)]


def _all_more(lab: Lab, name: str, before: Sequence[int]) -> bool:
    return all(now > then for now, then in zip(_delivered_by(lab, name), before, strict=True))


Maker = Callable[[Lab, Random], Fault]
"""Chooses whom it hits, and for how long."""


def _one(lab: Lab, dice: Random, prefix: str) -> str:
    return dice.choice([m.name for m in lab.kind(prefix)])


def _everything(lab: Lab) -> list[str]:
    names = [m.name for prefix in ("exchange-", "deliver-", "publish-") for m in lab.kind(prefix)]
    return [*names, "registry", *(m.name for m in lab.cluster.brokers)]


FAULTS: dict[str, Maker] = {
    "kill publisher": lambda lab, dice: Kill(
        "kill publisher", dice.uniform(0, 2), machines=[_one(lab, dice, "publish-")]
    ),
    "kill exchange": lambda lab, dice: Kill(
        "kill exchange", dice.uniform(0, 3), machines=[_one(lab, dice, "exchange-")]
    ),
    "kill deliverer": lambda lab, dice: Kill(
        "kill deliverer", dice.uniform(0, 2), machines=[_one(lab, dice, "deliver-")]
    ),
    "kill registry": lambda lab, dice: Kill("kill registry", dice.uniform(1, 5), machines=["registry"]),
    "kill broker": lambda lab, dice: Kill(
        "kill broker", dice.uniform(0, 5), machines=[dice.choice(lab.cluster.brokers).name]
    ),
    "kill everything": lambda lab, dice: Kill("kill everything", dice.uniform(0, 3), machines=_everything(lab)),
    "freeze exchange": lambda lab, dice: Freeze(
        "freeze exchange", SESSION_S + dice.uniform(2, 4), machine=_one(lab, dice, "exchange-")
    ),
    "freeze publisher": lambda lab, dice: Freeze(
        "freeze publisher", SESSION_S + dice.uniform(0, 3), machine=_one(lab, dice, "publish-")
    ),
    "freeze broker": lambda lab, dice: Freeze(
        "freeze broker", SESSION_S + dice.uniform(0, 4), machine=dice.choice(lab.cluster.brokers).name
    ),
    "zombie deliverer": lambda lab, dice: Zombie(
        "zombie deliverer", 0.5, (*_RESTARTED, "deliver-"), machine=_one(lab, dice, "deliver-")
    ),
    "cut exchange": lambda lab, dice: Cut("cut exchange", SESSION_S + dice.uniform(1, 4), party="exchange"),
    "reset exchange": lambda lab, dice: Cut("reset exchange", dice.uniform(0.5, 4), party="exchange", how="reset"),
    "slow exchange": lambda lab, dice: Cut("slow exchange", dice.uniform(3, 6), party="exchange", how="slow"),
    "cut publishers": lambda lab, dice: Cut("cut publishers", dice.uniform(2, 8), party="publishers"),
    "cut deliverers": lambda lab, dice: Cut("cut deliverers", dice.uniform(2, 12), party="deliverers"),
    "reset deliverers": lambda lab, dice: Cut(
        "reset deliverers", dice.uniform(0.5, 4), party="deliverers", how="reset"
    ),
    "cut database": lambda lab, dice: Cut("cut database", dice.uniform(2, 8), party="database"),
    "reset database": lambda lab, dice: Cut("reset database", dice.uniform(0.5, 4), party="database", how="reset"),
    "crash database": lambda lab, dice: DatabaseCrash("crash database", dice.uniform(0, 4)),
    "lock database": lambda lab, dice: DatabaseLock("lock database", dice.uniform(2, 6)),
    "change password": lambda lab, dice: Password("change password", dice.uniform(2, 5)),
    "break constraint": lambda lab, dice: Constraint("break constraint", dice.uniform(2, 4), (*_RESTARTED, "deliver-")),
    "rebalance storm": lambda lab, dice: Storm("rebalance storm", dice.uniform(10, 16)),
    "clock jump": lambda lab, dice: ClockJump(
        "clock jump", dice.uniform(6, 12), machine=_one(lab, dice, dice.choice(("exchange-", "deliver-", "publish-")))
    ),
    "corrupt record": lambda lab, dice: Corrupt(
        "corrupt record",
        1.0,
        resource=dice.choice(lab.cast.resources),
        keys=[f"k{dice.randrange(150)}" for _ in range(3)],
    ),
}
"""By name. What needs more than a fault of some seconds has tests of its own (README.md)."""
