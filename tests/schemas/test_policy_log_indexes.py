"""What the fold keeps by resource is what a look at everything in force would find, and costs what changed only."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import ConfigError
from schemas.grant import parse_grant
from schemas.policy_log import ContractPublished, GrantEnded, GrantFenced, GrantOpened
from schemas.policy_state import PolicyState
from tests.schemas.contracts import avro_contract, grant_document

RESOURCES = ("w.a", "w.b")
GRANTS = ("s.1", "s.2", "s.3")


def published(resource: str, contract: Any = None) -> ContractPublished:
    return ContractPublished(resource=resource, schema_id=1, contract=contract or avro_contract(), at=1, by="t")


def opened(grant: str, resource: str, generation: int) -> GrantOpened:
    document = parse_grant(grant_document(id=grant, resource=resource, version=generation))
    return GrantOpened(
        grant=document, generation=generation, topic="t", schema_id=1, fingerprint="f", at=1, by="t"
    )  # fmt: skip


EVENTS = st.one_of(
    st.builds(published, st.sampled_from(RESOURCES)),
    st.builds(opened, st.sampled_from(GRANTS), st.sampled_from(RESOURCES), st.integers(1, 4)),
    st.builds(
        GrantEnded,
        grant=st.sampled_from(GRANTS),
        generation=st.integers(1, 4),
        reason=st.just("revoked"),
        at=st.just(2),
        by=st.just("t"),
    ),
    st.builds(
        GrantFenced,
        grant=st.sampled_from(GRANTS),
        generation=st.integers(1, 4),
        topic=st.just("t"),
        offsets=st.just({0: 7}),
        at=st.just(3),
    ),
)


def scanned(state: PolicyState) -> dict[str, int]:
    """The newest epoch that concerned each resource, by looking at everything."""
    out = {resource: c.epoch for resource, c in state.contracts.items()}
    for g in (*state.grants.values(), *state.ended):
        latest = max(g.opened, g.ended if g.ended is not None else -1)
        out[g.grant.resource] = max(out.get(g.grant.resource, -1), latest)
    return out


@given(st.lists(EVENTS, max_size=25))
def test_what_is_kept_by_resource_is_what_a_look_at_everything_finds(events: list[Any]) -> None:
    state = PolicyState()
    for offset, event in enumerate(events):
        state = state.after(offset, event)
        assert dict(state.changed) == scanned(state)
        for resource in RESOURCES:
            live = [g for g in state.grants.values() if g.ended is None and g.grant.resource == resource]
            assert state.active(resource) == sorted(live, key=lambda g: g.grant.id)
        for g in (*state.grants.values(), *state.ended):
            assert state.generation(g.grant.id, g.generation) is g


def test_an_event_leaves_what_it_does_not_concern_the_very_same_objects() -> None:
    state = PolicyState().after(0, published("w.a")).after(1, published("w.b")).after(2, opened("s.1", "w.b", 1))
    after = state.after(3, opened("s.2", "w.a", 1))
    assert after is not state
    assert after.contracts is state.contracts
    assert after.grants["s.1"] is state.grants["s.1"]
    assert after.changed["w.b"] == state.changed["w.b"]


def test_a_contract_is_read_when_it_is_asked_for_and_once() -> None:
    state = PolicyState().after(0, published("w.a")).after(1, opened("s.1", "w.a", 1))
    entry = state.contracts["w.a"]
    assert "contract" not in vars(entry)
    assert state.grants["s.1"].contract is entry.contract is entry.contract


def test_a_contract_this_version_does_not_understand_closes_its_resource_and_no_other() -> None:
    state = PolicyState().after(0, published("w.a", {"type": "record", "fields": 3})).after(1, published("w.b"))
    assert state.contracts["w.b"].contract.fields
    with pytest.raises(ConfigError) as caught:
        _ = state.contracts["w.a"].contract
    assert caught.value.where == "bus.grants@0"


def test_a_state_travels_to_another_process() -> None:
    state = PolicyState().after(0, published("w.a")).after(1, opened("s.1", "w.a", 1))
    again = pickle.loads(pickle.dumps(state))
    assert again.active("w.a") == state.active("w.a")
    assert again.grants["s.1"].under is again.contracts["w.a"]
