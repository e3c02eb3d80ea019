"""Contracts and grants come into force on a real cluster."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import yaml
from confluent_kafka.admin import AdminClient, ConfigResource
from confluent_kafka.cimpl import RESOURCE_TOPIC

from infra.control import GrantApplied, apply_contract, apply_files, apply_grant, state
from infra.runtime.registry import Registry
from infra.runtime.turn import Overtaken
from schemas.contract import parse_contract
from schemas.errors import ConfigError
from schemas.ids import DEAD_LETTER_TOPIC, POLICY_TOPIC, grant_topic, quarantine_topic, source_topic, subject
from tests.conftest import Cluster
from tests.infra.control.world import NOW, contract, contract_source, grant, grant_document


def write(folder: Path, name: str, document: object) -> Path:
    path = folder / name
    text = json.dumps(document) if name.endswith("avsc") else yaml.safe_dump(document)
    path.write_text(text, encoding="utf-8")
    return path


def config_of(cluster: Cluster, topic: str) -> dict[str, str]:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    [found] = admin.describe_configs([ConfigResource(RESOURCE_TOPIC, topic)]).values()
    return {name: entry.value for name, entry in found.result().items()}


def partitions_of(cluster: Cluster) -> dict[str, int]:
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap_servers})
    return {name: len(t.partitions) for name, t in admin.list_topics(timeout=10).topics.items()}


def test_a_contract_brings_schema_topics_and_an_event_into_being(cluster: Cluster, unique: str) -> None:
    applied = apply_contract(cluster.settings, contract(f"{unique}.r", partitions=2))
    assert applied.action == "created"
    in_force = state(cluster.settings).contracts[f"{unique}.r"]
    assert (in_force.schema_id, in_force.epoch) == (applied.schema_id, applied.epoch)
    there = partitions_of(cluster)
    source = source_topic(f"{unique}.r")
    assert (there[source], there[quarantine_topic(f"{unique}.r")], there[DEAD_LETTER_TOPIC]) == (2, 1, 1)
    found, week = config_of(cluster, source), str(7 * 24 * 3600 * 1000)
    assert found["cleanup.policy"] == "compact"
    assert (found["min.compaction.lag.ms"], found["delete.retention.ms"]) == (week, week)


def test_the_control_log_is_kept_for_ever(cluster: Cluster) -> None:
    state(cluster.settings)
    found = config_of(cluster, POLICY_TOPIC)
    assert (found["cleanup.policy"], found["retention.ms"], found["retention.bytes"]) == ("delete", "-1", "-1")
    assert partitions_of(cluster)[POLICY_TOPIC] == 1


def test_applying_the_same_again_writes_nothing(cluster: Cluster, unique: str) -> None:
    first = apply_contract(cluster.settings, contract(f"{unique}.r"))
    opened = apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    before = state(cluster.settings).epoch
    again = apply_contract(cluster.settings, contract(f"{unique}.r"))
    reopened = apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    assert (again.action, again.epoch, again.schema_id) == ("unchanged", first.epoch, first.schema_id)
    assert (reopened.action, reopened.epoch, reopened.topic) == ("unchanged", opened.epoch, opened.topic)
    assert state(cluster.settings).epoch == before


def test_a_grant_gets_a_topic_as_wide_as_its_source_and_its_view_schema(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r", partitions=3))
    opened = apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    assert (opened.action, opened.generation, opened.topic) == ("created", 1, grant_topic(f"{unique}.grant", 1))
    assert partitions_of(cluster)[opened.topic] == 3
    with closing(Registry(cluster.settings)) as registry:
        latest = registry.latest(subject(opened.topic))
    assert latest is not None
    assert latest[0] == opened.schema_id == state(cluster.settings).grants[f"{unique}.grant"].schema_id


def test_an_amended_grant_opens_its_next_generation_and_fences_the_former(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    apply_grant(cluster.settings, grant(unique), now_ms=NOW)
    amended = apply_grant(cluster.settings, grant(unique, fields={"uscc": "pass"}), now_ms=NOW)
    assert (amended.action, amended.generation) == ("changed", 2)
    assert amended.fence is not None
    assert amended.fence.offsets == {0: 0}
    former = [g for g in state(cluster.settings).ended if g.grant.id == f"{unique}.grant"]
    assert [(g.generation, g.ended, g.fence) for g in former] == [(1, amended.epoch, {0: 0})]


def test_an_incompatible_contract_is_refused_before_anything_is_written(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))
    source = contract_source(f"{unique}.r")
    source["fields"][1] = {"name": "name", "type": "long"}
    parse_contract(source)
    bad = write(tmp_path, "b.avsc", source)
    write(tmp_path, "a.avsc", contract_source(f"{unique}.new"))
    before = state(cluster.settings).epoch
    with pytest.raises(ConfigError, match="could not read") as caught:
        apply_files(cluster.settings, [tmp_path], now_ms=NOW)
    assert caught.value.where == str(bad)
    assert state(cluster.settings).epoch == before
    with closing(Registry(cluster.settings)) as registry:
        assert registry.latest(subject(source_topic(f"{unique}.new"))) is None


def test_one_wrong_file_among_many_stops_all(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    write(tmp_path, "a.avsc", contract_source(f"{unique}.r"))
    write(tmp_path, "b.yaml", grant_document(unique, fields={"nowhere": "pass"}))
    before = state(cluster.settings).epoch
    with pytest.raises(ConfigError, match="nowhere") as caught:
        apply_files(cluster.settings, [tmp_path], now_ms=NOW)
    assert str(tmp_path / "b.yaml") in str(caught.value.where)
    assert state(cluster.settings).epoch == before
    assert source_topic(f"{unique}.r") not in partitions_of(cluster)


def test_a_dry_run_says_what_would_change_and_writes_nothing(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    write(tmp_path, "a.avsc", contract_source(f"{unique}.r"))
    write(tmp_path, "b.yaml", grant_document(unique))
    before = state(cluster.settings).epoch
    found = apply_files(cluster.settings, [tmp_path], dry_run=True, now_ms=NOW)
    assert [(a.kind, a.action) for a in found] == [("contract", "created"), ("grant", "created")]
    assert state(cluster.settings).epoch == before
    assert source_topic(f"{unique}.r") not in partitions_of(cluster)


def test_two_hundred_files_take_seconds(cluster: Cluster, unique: str, tmp_path: Path) -> None:
    for n in range(100):
        write(tmp_path, f"{n}.avsc", contract_source(f"{unique}.r{n}"))
        write(tmp_path, f"{n}.yaml", grant_document(unique, id=f"{unique}.g{n}", resource=f"{unique}.r{n}"))
    began = time.monotonic()
    found = apply_files(cluster.settings, [tmp_path], now_ms=NOW)
    assert time.monotonic() - began < 15
    assert [a.action for a in found] == ["created"] * 200


def test_of_concurrent_commands_each_has_its_effect_or_says_it_was_overtaken(cluster: Cluster, unique: str) -> None:
    apply_contract(cluster.settings, contract(f"{unique}.r"))

    def one(n: int) -> GrantApplied | Overtaken:
        try:
            return apply_grant(cluster.settings, grant(unique, id=f"{unique}.g{n}"), now_ms=NOW)
        except Overtaken as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(one, range(4)))
    done = {o.grant for o in outcomes if isinstance(o, GrantApplied)}
    assert done, "the last command to enter is overtaken by none"
    assert {g for g in state(cluster.settings).grants if g.startswith(unique)} == done
