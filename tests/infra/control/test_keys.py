"""What is announced of a key ring, what is refused, and which grants are named; without a cluster."""

from __future__ import annotations

import datetime as dt

import pytest

from infra.control.keys import announcements, without_keys
from schemas.errors import ConfigError
from schemas.key_ring import KeyRing, MasterSecret
from schemas.policy_log import GrantEnded
from schemas.policy_state import PolicyState
from tests.infra.control.test_plan import KEYED, TODAY, with_contract, with_grant
from tests.infra.control.world import contract, grant

ONE = MasterSecret(1, b"1" * 32)
TWO = MasterSecret(2, b"2" * 32, "sm3")
FIRST = KeyRing({1: ONE}, 1, "the ring")


def rotated(until: dt.date) -> KeyRing:
    return KeyRing({1: MasterSecret(1, ONE.secret, "sha256", until), 2: TWO}, 2, "the ring")


def told(state: PolicyState, ring: KeyRing) -> PolicyState:
    for event in announcements(ring, state, "t", 0):
        state = state.after(state.epoch + 1, event)
    return state


def test_a_log_without_announcements_gets_the_ring_announced_once() -> None:
    state = told(PolicyState(), FIRST)
    assert {v: k.fingerprint for v, k in state.keys.items()} == {1: ONE.fingerprint}
    assert announcements(FIRST, state, "t", 0) == []


def test_after_a_rotation_the_new_version_and_the_end_of_the_former_are_announced() -> None:
    state = told(told(PolicyState(), FIRST), rotated(TODAY))
    assert [(k.suite, k.until) for k in state.keys.values()] == [("sha256", TODAY), ("sm3", None)]
    assert announcements(rotated(TODAY), state, "t", 0) == []


def test_a_version_handed_out_in_advance_is_not_announced_before_it_is_current() -> None:
    early = KeyRing({1: ONE, 2: TWO}, 1)
    assert list(told(PolicyState(), early).keys) == [1]


def test_another_secret_under_an_announced_version_is_refused() -> None:
    state = told(PolicyState(), FIRST)
    other = KeyRing({1: MasterSecret(1, b"x" * 32)}, 1, "the ring")
    with pytest.raises(ConfigError) as caught:
        announcements(other, state, "t", 0)
    assert caught.value.where == "the ring"
    assert ONE.fingerprint in caught.value.what.en


def test_a_ring_of_before_a_rotation_is_refused_because_a_grant_must_not_go_back() -> None:
    state = told(PolicyState(), rotated(TODAY))
    with pytest.raises(ConfigError, match="older than the control log"):
        announcements(FIRST, state, "t", 0)


def test_grants_under_a_key_that_serves_no_longer_are_named_and_no_others() -> None:
    state = with_contract(PolicyState(), contract("w.r"))
    for name, fields in (("w.keyed", KEYED), ("w.plain", {"uscc": "pass"}), ("w.over", KEYED)):
        state = with_grant(state, grant("w", id=name, fields=fields))
    state = state.after(state.epoch + 1, GrantEnded(grant="w.over", generation=1, reason="revoked", at=0, by="t"))
    assert without_keys(rotated(TODAY), state, TODAY) == []
    [text] = without_keys(rotated(TODAY - dt.timedelta(days=1)), state, TODAY)
    assert "w.keyed" in text.en and "w.keyed" in text.zh
    gone = KeyRing({2: TWO}, 2)
    assert len(without_keys(gone, state, TODAY)) == 1
    shortened = told(state, rotated(TODAY - dt.timedelta(days=1)))
    assert len(without_keys(rotated(TODAY), shortened, TODAY)) == 1, "the end that was announced holds"
