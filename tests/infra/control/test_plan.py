"""What documents would change, without a cluster."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from infra.control.documents import Documents
from infra.control.plan import Plan, make_plan
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.ids import grant_topic, source_topic
from schemas.policy_log import ContractPublished, GrantEnded, GrantOpened
from schemas.policy_state import PolicyState
from schemas.view_event import fingerprint
from tests.infra.control.world import contract, grant

TODAY = dt.date(2026, 11, 24)


def plan(
    state: PolicyState, *documents: Contract | Grant, topics: dict[str, int] | None = None, key_version: int = 1
) -> Plan:
    contracts = tuple(("c.avsc", d) for d in documents if isinstance(d, Contract))
    grants = tuple(("g.yaml", d) for d in documents if isinstance(d, Grant))
    return make_plan(state, Documents(contracts, grants), topics or {}, TODAY, key_version=key_version)


def with_contract(state: PolicyState, c: Contract) -> PolicyState:
    event = ContractPublished(resource=c.id, schema_id=1, contract=c.source, at=0, by="t")
    return state.after(state.epoch + 1, event)


def with_grant(state: PolicyState, g: Grant) -> PolicyState:
    [planned] = plan(state, g).grants
    return state.after(
        state.epoch + 1,
        GrantOpened(
            grant=g,
            generation=planned.generation,
            topic=grant_topic(g.id, planned.generation),
            schema_id=2,
            fingerprint=fingerprint(planned.view_schema),
            at=0,
            by="t",
        ),
    )


@pytest.fixture
def published() -> PolicyState:
    return with_contract(PolicyState(), contract("w.r"))


def refused(state: PolicyState, *documents: Contract | Grant, topics: dict[str, int] | None = None) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        plan(state, *documents, topics=topics)
    return caught.value


def test_an_unchanged_document_changes_nothing(published: PolicyState) -> None:
    state = with_grant(published, grant("w"))
    found = plan(state, contract("w.r"), grant("w"))
    assert [p.action for p in (*found.contracts, *found.grants)] == ["unchanged", "unchanged"]


def test_the_key_of_a_published_resource_cannot_change(published: PolicyState) -> None:
    error = refused(published, _other_key())
    assert error.where == "c.avsc: resource.key"


def _other_key() -> Contract:
    source: dict[str, Any] = {**contract("w.r").source}
    source["fields"] = [{"name": "code", "type": "string"}, *source["fields"]]
    source["resource"] = {**source["resource"], "key": ["code"]}
    return parse_contract(source)


def test_the_number_of_partitions_is_fixed_for_life(published: PolicyState) -> None:
    assert refused(published, contract("w.r", partitions=2)).where == "c.avsc: resource.partitions"
    there = {source_topic("n.r"): 3}
    assert "3 partitions" in refused(PolicyState(), contract("n.r"), topics=there).what.en


def test_a_grant_without_a_contract_is_refused_unless_both_come_together() -> None:
    assert refused(PolicyState(), grant("w")).where == "g.yaml: resource"
    assert plan(PolicyState(), grant("w"), contract("w.r")).grants[0].action == "created"


def test_a_grant_outside_the_floor_of_its_contract_is_refused_with_file_and_field(published: PolicyState) -> None:
    error = refused(published, grant("w", fields={"uscc": "pass", "person": "pass"}))
    assert error.where is not None
    assert error.where.startswith("g.yaml")
    assert "person" in error.where


def test_a_changed_grant_goes_on_as_its_next_generation(published: PolicyState) -> None:
    state = with_grant(published, grant("w"))
    [changed] = plan(state, grant("w", purpose="more")).grants
    assert (changed.action, changed.generation) == ("changed", 2)
    assert changed.supersedes is state.grants["w.grant"]


def test_an_ended_grant_comes_back_only_with_a_higher_version(published: PolicyState) -> None:
    state = with_grant(published, grant("w"))
    state = state.after(state.epoch + 1, GrantEnded(grant="w.grant", generation=1, reason="revoked", at=0, by="t"))
    for again in (grant("w"), grant("w", purpose="more")):
        error = refused(state, again)
        assert error.where == "g.yaml: version"
        assert error.hint is not None
        assert "version: 2" in error.hint.en
    [anew] = plan(state, grant("w", version=2)).grants
    assert (anew.action, anew.generation, anew.supersedes) == ("changed", 2, None)


def test_an_older_version_never_replaces_a_newer_one(published: PolicyState) -> None:
    state = with_grant(published, grant("w", version=3))
    assert refused(state, grant("w", version=2)).where == "g.yaml: version"


def test_an_id_stays_with_its_subscriber_and_resource(published: PolicyState) -> None:
    state = with_grant(published, grant("w"))
    assert refused(state, grant("w", subscriber="tongji")).where == "g.yaml: id"


def test_a_grant_whose_time_is_over_is_refused(published: PolicyState) -> None:
    over = {"from": "2025-01-01", "until": "2026-11-23"}
    assert refused(published, grant("w", valid=over)).where == "g.yaml: valid.until"
    assert plan(published, grant("w", valid={**over, "until": "2026-11-24"})).grants[0].action == "created"


def test_a_stricter_contract_names_the_grants_it_withholds(published: PolicyState) -> None:
    state = with_grant(published, grant("w"))
    source: dict[str, Any] = contract("w.r").source
    stricter = {**source, "fields": [{**f, "masks": ["drop"]} if f["name"] == "name" else f for f in source["fields"]]}
    [planned] = plan(state, parse_contract(stricter)).contracts
    assert list(planned.withheld) == ["w.grant"]


KEYED = {"uscc": "pass", "person": "pseudonym"}


def test_after_a_rotation_an_unchanged_grant_that_needs_keys_goes_on_under_the_new_ones(published: PolicyState) -> None:
    keyed = grant("w", fields=KEYED)
    state = with_grant(published, keyed)
    [again] = plan(state, keyed, key_version=2).grants
    assert (again.action, again.generation, again.key_version, again.rotated) == ("changed", 2, 2, True)
    assert again.supersedes is state.grants["w.grant"]
    [amended] = plan(state, grant("w", fields=KEYED, purpose="more"), key_version=2).grants
    assert (amended.action, amended.rotated) == ("changed", False)


def test_after_a_rotation_an_unchanged_grant_that_needs_no_keys_stays_as_it_is(published: PolicyState) -> None:
    state = with_grant(published, grant("w"))
    [kept] = plan(state, grant("w"), key_version=2).grants
    assert (kept.action, kept.generation, kept.key_version, kept.rotated) == ("unchanged", 1, 1, False)


def test_a_rotation_resurrects_no_grant_that_has_ended(published: PolicyState) -> None:
    state = with_grant(published, grant("w", fields=KEYED))
    state = state.after(state.epoch + 1, GrantEnded(grant="w.grant", generation=1, reason="revoked", at=0, by="t"))
    with pytest.raises(ConfigError, match="has ended"):
        plan(state, grant("w", fields=KEYED), key_version=2)
