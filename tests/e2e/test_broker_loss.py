"""Brokers of three are killed in mid-flow, whatever they lead, and every record is counted."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing, suppress
from pathlib import Path

from infra.bus.bench import numbered
from infra.bus.bench.recovery import wait_whole
from infra.bus.bench.roles import roles
from infra.bus.workers import process
from infra.cluster import read_state, running, up
from infra.control import apply_contract, apply_grant
from infra.runtime.settings import Settings
from schemas.ids import grant_topic, source_topic
from tests.conftest import own_key
from tests.kit.exchange_lab import Lab, within
from tests.kit.power_cut import kill_broker

RATE = 300
_MAIN = "infra.bus.main"


def test_brokers_that_lead_die_in_mid_flow_and_no_event_is_lost_doubled_or_out_of_order(
    tmp_path: Path, unique: str
) -> None:
    home, resource, file = tmp_path / "cluster", f"{unique}.r", tmp_path / "sink.db"
    with running(home, brokers=3) as state:
        settings = Settings(
            home=home,
            bootstrap_servers=state.bootstrap_servers,
            registry_url=state.registry_url,
            key_file=own_key(tmp_path),
        )
        apply_contract(settings, numbered.contract(resource))
        grant = numbered.grant(resource)
        apply_grant(settings, grant)
        released = grant_topic(grant.id, 1)
        deliver = ["deliver", "--grant", grant.id, "--sink", f"sqlite:{file}"]
        with process(settings, _MAIN, ["exchange"], tmp_path / "exchange.log"):
            with (
                process(settings, _MAIN, deliver, tmp_path / "deliver.log"),
                numbered.publishing(settings, resource, RATE) as published,
            ):
                left = {"source partition", "grant's partition", "group coordinator", "transaction coordinator"}
                while left:
                    before = published.acknowledged
                    within(60, lambda: newest(file) >= before + RATE)  # noqa: B023 - called at once
                    leaders = roles(settings, source_topic(resource), released)
                    node = leaders[min(left)]
                    left -= {role for role, its in leaders.items() if its == node}
                    now = read_state(home)
                    assert now is not None
                    kill_broker(now, node)
                    before = published.acknowledged
                    within(60, lambda: newest(file) >= before + RATE)  # noqa: B023
                    up(home, tied=True)
                    wait_whole(settings)
            sent = published.acknowledged
            lab = Lab(settings, unique)
            within(60, lambda: lab.committed()[0] >= lab.end())
        with process(settings, _MAIN, deliver, tmp_path / "deliver.log"):
            within(60, lambda: newest(file) == sent - 1)
        numbers = defaultdict(list)
        for event in lab.read([m.value() for m in lab.messages(released)]):
            numbers[event["after"]["id"]].append(event["after"]["n"])
    assert dict(numbers) == {f"k{k}": list(range(k, sent, 1000)) for k in range(min(1000, sent))}
    assert table(file) == {key: found[-1] for key, found in numbers.items()}


def newest(file: Path) -> int:
    """The highest number in the subscriber's table; -1 while there is none."""
    return max(table(file).values(), default=-1)


def table(file: Path) -> dict[str, int]:
    """The subscriber's table: key and number."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
        name = db.execute("SELECT name FROM sqlite_master WHERE name LIKE '%grant%'").fetchone()
        return {} if name is None else dict(db.execute(f'SELECT id, n FROM "{name[0]}"').fetchall())
    return {}
