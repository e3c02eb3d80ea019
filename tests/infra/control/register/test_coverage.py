"""The report tells catalogued from connected, and late from fresh."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from infra.control import apply_files
from infra.control.register.coverage import DAY_MS, cover, coverage, freshness, last_events
from infra.control.register.judge import Connected
from infra.control.register.put import put_register
from infra.control.register.state import RegisterState
from infra.runtime.kafka import producer_config
from schemas.ids import source_topic
from schemas.register_log import EntryPut
from tests.conftest import Cluster
from tests.infra.control.register.world import department, entry
from tests.infra.control.world import contract_source

NOW = 1_000 * DAY_MS


@pytest.mark.parametrize(
    ("update", "days", "found"),
    [
        ("daily", 2, "fresh"),
        ("daily", 2.001, "late"),
        ("monthly", 31, "fresh"),
        ("monthly", 33, "late"),
        ("irregular", 999, "irregular"),
        ("yearly", None, "empty"),
    ],
)
def test_a_resource_is_late_when_its_longest_period_and_a_day_have_passed(
    update: str, days: float | None, found: str
) -> None:
    last = None if days is None else NOW - int(days * DAY_MS)
    assert freshness(entry("e", "a", update=update), last, NOW) == found


def test_each_department_is_counted_and_what_is_wrong_is_named() -> None:
    documents = [department("a"), department("b"), *(entry(n, "a") for n in ("fresh", "late", "empty", "waits"))]
    state = RegisterState().after([EntryPut(document=d, at=0, by="x") for d in documents])
    contracts = {n: Connected("a", "unconditional") for n in ("fresh", "late", "empty")}
    contracts |= {"late": Connected("a", "refused"), "unknown": Connected("b", "refused")}
    found = cover(state, contracts, {"fresh": NOW, "late": NOW - 9 * DAY_MS}, NOW)
    a, b = found.departments
    assert (a.catalogued, a.connected, a.fresh, a.late, a.empty, a.irregular) == (4, 3, 1, 1, 1, 0)
    assert b.catalogued == 0
    assert {e.id: e.last for e in found.late} == {"late": NOW - 9 * DAY_MS, "empty": None}
    assert found.uncatalogued == ("unknown",)
    assert list(found.contradicting) == ["late"]


def test_a_contract_connects_an_entry_and_its_newest_event_makes_it_fresh(
    cluster: Cluster, tmp_path: Path, unique: str
) -> None:
    from confluent_kafka import Producer

    settings = replace(cluster, home=tmp_path / "home").settings
    source = contract_source(f"{unique}.r")
    (tmp_path / "r.avsc").write_text(json.dumps(source), encoding="utf-8")
    apply_files(settings, [tmp_path / "r.avsc"])
    said = source["resource"]
    facts = {"sharing": said["sharing"], "conditions": "x", "basis": "x"}
    documents = [department(said["provider"]), entry(f"{unique}.r", said["provider"], **facts)]
    put_register(settings, [("f", d) for d in documents], {}, by="x", now_ms=1)
    now = int(time.time() * 1000)
    assert last_events(settings, [f"{unique}.r", f"{unique}.none"]) == {}
    assert f"{unique}.r" in {e.id for e in coverage(settings, now).late}
    producer = Producer(producer_config(settings))
    producer.produce(source_topic(f"{unique}.r"), b"x", b"k", timestamp=now)
    assert producer.flush(10) == 0
    assert last_events(settings, [f"{unique}.r"]) == {f"{unique}.r": now}
    assert f"{unique}.r" not in {e.id for e in coverage(settings, now).late}
