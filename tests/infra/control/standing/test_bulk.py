"""A thousand approved in one act, on a real cluster: as many grants, each with its topic and its start."""

from __future__ import annotations

from infra.control import list_grants
from infra.control.apply import apply_documents
from infra.control.documents import Documents
from infra.control.topics import Wanted, batches
from infra.runtime.kafka import admin
from tests.conftest import Cluster
from tests.infra.control.world import NOW, contract, grant

COUNT = 1000


def test_a_thousand_grants_open_in_one_append_and_are_listed_each_with_its_start(cluster: Cluster, unique: str) -> None:
    resources = [contract(f"{unique}.r{n}") for n in range(10)]
    apply_documents(cluster.settings, Documents(tuple(("c", c) for c in resources), ()), now_ms=NOW)
    grants = [
        grant(unique, id=f"{unique}.g{n}", resource=resources[n % 10].id, subscriber=f"d{n // 10}")
        for n in range(COUNT)
    ]
    opened = apply_documents(cluster.settings, Documents((), tuple(("g", g) for g in grants)), now_ms=NOW)
    epochs = sorted(a.fact.epoch for a in opened if a.fact is not None)
    assert epochs[-1] - epochs[0] == COUNT - 1  # nothing between them: one append
    listed = [g for g in list_grants(cluster.settings, now_ms=NOW) if g.grant.startswith(f"{unique}.g")]
    assert len(listed) == COUNT
    assert all((g.state, g.starts) == ("active", {0: 0}) for g in listed)
    there = admin(cluster.settings).list_topics(timeout=10).topics
    assert {g.topic for g in listed} <= set(there)


def test_a_grant_starts_at_the_beginning_of_each_partition_of_its_topic(cluster: Cluster, unique: str) -> None:
    apply_documents(
        cluster.settings,
        Documents((("c", contract(f"{unique}.r", partitions=3)),), (("g", grant(unique)),)),
        now_ms=NOW,
    )
    [listed] = [g for g in list_grants(cluster.settings, now_ms=NOW) if g.grant == f"{unique}.grant"]
    assert listed.starts == {0: 0, 1: 0, 2: 0}


def test_no_request_for_topics_is_larger_than_the_controller_takes() -> None:
    wanted = [Wanted(f"t{n}", 1 + n % 3, {"a": "1", "b": "2"}) for n in range(4000)]
    found = list(batches(wanted))
    assert [w for b in found for w in b] == wanted
    assert all(sum(1 + w.partitions + len(w.config) for w in b) <= 5_000 for b in found)
    assert list(batches([])) == []
    huge = Wanted("huge", 6000, {})
    assert list(batches([huge, huge])) == [[huge], [huge]]
