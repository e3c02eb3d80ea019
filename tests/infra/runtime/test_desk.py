"""Desks: a department finds there what concerns it, all of it, and nothing of others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from infra.runtime import policy_log
from infra.runtime.desk import DeskReader
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog
from infra.runtime.registry import Registry
from infra.runtime.turn import Overtaken
from schemas.desk import Desk
from schemas.errors import ConfigError
from schemas.ids import desk_topic
from schemas.policy_log import ContractPublished, Event, GrantEnded, GrantFenced, GrantOpened
from schemas.view_event import view_event_schema
from tests.conftest import Cluster
from tests.infra.control.world import contract_source, grant

CODE = {"name": "uscc", "type": "string"}
NAME = {"name": "name", "type": ["null", "string"]}
VIEW = view_event_schema([CODE], [CODE, NAME], before=False)


@pytest.fixture
def own_log(cluster: Cluster, unique: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A control log of the test's own: departments of the shared one are not ours to fill desks for."""
    monkeypatch.setattr(policy_log, "POLICY_TOPIC", f"{unique}.grants")
    monkeypatch.setattr(policy_log, "CONTROL_TRANSACTION", f"{unique}.control")
    yield cluster
    client = admin(cluster.settings)
    mine = [t for t in client.list_topics(timeout=10).topics if unique in t]
    for done in client.delete_topics(mine).values():
        done.result()


def published(word: str) -> ContractPublished:
    source = contract_source(f"{word}.r", provider=f"{word}.scjg")
    return ContractPublished(resource=f"{word}.r", schema_id=7, contract=source, at=0, by="t")


def opened(word: str, generation: int = 1, schema_id: int = 1) -> GrantOpened:
    given = grant(
        word, subscriber=f"{word}.shuiwu", version=generation
    )  # what has ended comes back as a newer version only
    topic = f"grant.{word}.g{generation}"
    return GrantOpened(
        grant=given, generation=generation, topic=topic, schema_id=schema_id, fingerprint="f", at=3, by="t"
    )


def ended(word: str) -> GrantEnded:
    return GrantEnded(grant=f"{word}.grant", generation=1, reason="revoked", at=9, by="t")


def append(cluster: Cluster, *events: Event, desks: bool = True) -> list[int]:
    schemas = {e.topic: VIEW for e in events if isinstance(e, GrantOpened)}
    with ControlLog(cluster.settings, desks=desks) as log:
        return log.append(events, schemas)


def desk(cluster: Cluster, department: str) -> Desk:
    with DeskReader(cluster.settings, department) as reader:
        return reader.read_to_end()


def test_a_provider_finds_its_contract_and_a_subscriber_its_grant_with_its_view(own_log: Cluster, unique: str) -> None:
    epochs = append(own_log, published(unique), opened(unique))
    provider, subscriber = desk(own_log, f"{unique}.scjg"), desk(own_log, f"{unique}.shuiwu")
    assert provider.policy.contracts[f"{unique}.r"].schema_id == 7
    assert not provider.policy.grants
    assert not subscriber.policy.contracts, "of the contract it learns what its view shows"
    assert subscriber.policy.grants[f"{unique}.grant"].opened == epochs[1]
    assert subscriber.views[f"grant.{unique}.g1"].view_schema == VIEW
    assert set(subscriber.views[f"grant.{unique}.g1"].titles) <= {"uscc", "name"}


def test_ends_and_fences_reach_the_desk(own_log: Cluster, unique: str) -> None:
    append(own_log, published(unique), opened(unique))
    end = append(own_log, ended(unique))[0]
    append(own_log, GrantFenced(grant=f"{unique}.grant", generation=1, topic="t", offsets={0: 4}, at=0))
    found = desk(own_log, f"{unique}.shuiwu").policy.grants[f"{unique}.grant"]
    assert (found.ended, found.end_reason, found.fence) == (end, "revoked", {0: 4})


@pytest.mark.parametrize("by", ["asking", "another generation"])
def test_a_desk_made_later_is_told_what_was_before(own_log: Cluster, unique: str, by: str) -> None:
    with closing(Registry(own_log.settings)) as registry:
        schema_id = registry.register(f"{unique}-value", VIEW)
    fence = GrantFenced(grant=f"{unique}.grant", generation=1, topic="t", offsets={0: 4}, at=0)
    before = append(own_log, published(unique), opened(unique, schema_id=schema_id), ended(unique), fence, desks=False)
    if by == "asking":
        with ControlLog(own_log.settings, desks=True) as log:
            assert log.fill_desks([f"{unique}.shuiwu"]) == 3
            assert log.fill_desks([f"{unique}.shuiwu"]) == 0, "once it is told it lacks nothing"
        found = desk(own_log, f"{unique}.shuiwu").policy.grants[f"{unique}.grant"]
        assert (found.opened, found.ended, found.fence) == (before[1], before[2], {0: 4})
    else:
        append(own_log, opened(unique, 2, schema_id))
        found = desk(own_log, f"{unique}.shuiwu").policy.grants[f"{unique}.grant"]
        assert (found.generation, found.ended) == (2, None)


def test_what_another_command_overtook_is_on_no_desk(own_log: Cluster, unique: str) -> None:
    append(own_log, published(unique), opened(unique))
    with ControlLog(own_log.settings, desks=True) as slow:
        append(own_log, opened(unique, 2))
        with pytest.raises(Overtaken):
            slow.append([ended(unique)])
    assert desk(own_log, f"{unique}.shuiwu").policy.grants[f"{unique}.grant"].ended is None


def test_a_department_does_not_make_its_desk(cluster: Cluster, unique: str) -> None:
    with pytest.raises(ConfigError, match="not there"):
        DeskReader(cluster.settings, unique)
    assert desk_topic(unique) not in admin(cluster.settings).list_topics(timeout=10).topics
