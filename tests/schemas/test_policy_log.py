"""The fold of the control log: what is in force, and that nothing comes back by accident."""

from __future__ import annotations

import base64
import datetime as dt
from typing import Any

import pytest

from schemas.approval import Approval, Countersign
from schemas.combination_rule import parse_rule
from schemas.errors import PermanentError
from schemas.grant import parse_grant
from schemas.key_ring import AnnouncedKey
from schemas.order import Capacity, Ordered
from schemas.policy_log import (
    ContractPublished,
    GrantEnded,
    GrantFenced,
    GrantOpened,
    KeysAnnounced,
    RulePublished,
    RuleWithdrawn,
    SuspensionLifted,
    decode,
    encode,
)
from schemas.policy_state import PolicyState
from schemas.signature import ChangeSigned, Signature
from tests.schemas.contracts import avro_contract, grant_document

ID = "shuiwu.things.2026-001"
RESOURCE = "scjg.things"


WITHDRAWN = RuleWithdrawn(rule="person.dossier", at=2, by="op")


def opened(generation: int = 1, grant: str = ID) -> GrantOpened:
    return GrantOpened(
        grant=parse_grant(grant_document(id=grant)),
        generation=generation,
        topic=f"grant.x.g{generation}",
        schema_id=5,
        fingerprint="f",
        at=10 * generation,
        by="op",
    )


def ended(generation: int = 1, reason: Any = "revoked") -> GrantEnded:
    return GrantEnded(grant=ID, generation=generation, reason=reason, at=99, by="op")


def fenced(generation: int = 1) -> GrantFenced:
    return GrantFenced(grant=ID, generation=generation, topic="t", offsets={0: 7}, at=100)


def published() -> ContractPublished:
    return ContractPublished(resource=RESOURCE, schema_id=4, contract=avro_contract(), at=1, by="op")


def rule(**changes: Any) -> RulePublished:
    document = {
        "id": "person.dossier",
        "subject": "person",
        "fields": ["name", "phone"],
        "except": ["gongan"],
        "title": {"zh": "画像", "en": "Dossier"},
        "basis": "Art. 25",
        **changes,
    }
    return RulePublished(rule=parse_rule(document), at=1, by="op")


def signed() -> ContractPublished:
    signature = Signature(key="0" * 16, value="A" * 86 + "==")
    return published().model_copy(
        update={"signed": ChangeSigned(by="scjg", signature=signature, replaces="f" * 64, since=3)}
    )


def ordered(capacity: Capacity) -> Ordered:
    signature = Signature(key="0" * 16, value=base64.b64encode(bytes(64)).decode())
    return Ordered(by="p", department="d", capacity=capacity, signature=signature)


def suspended(capacity: Capacity | None, generation: int = 1) -> GrantEnded:
    return ended(generation, "suspended").model_copy(update={"ordered": capacity and ordered(capacity)})


def lifted(capacity: Capacity, generation: int = 1) -> SuspensionLifted:
    return SuspensionLifted(grant=ID, generation=generation, ordered=ordered(capacity), at=120, by="p")


def announced(version: int = 1, fingerprint: str = "f1", until: dt.date | None = None) -> KeysAnnounced:
    return KeysAnnounced(version=version, suite="sm3", fingerprint=fingerprint, until=until, at=2, by="op")


def fold(*events: Any) -> PolicyState:
    state = PolicyState()
    for offset, event in enumerate(events):
        state = state.after(offset, event)
    return state


@pytest.mark.parametrize(
    "event",
    [
        *(published(), signed(), opened(), ended(), fenced(), rule(), WITHDRAWN),
        *(announced(until=dt.date(2027, 3, 31)), suspended("bureau"), lifted("provider")),
    ],
)
def test_an_event_is_read_back_as_it_was_written(event: Any) -> None:
    assert decode(encode(event), 3) == event


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"kind": "grant.granted"}', b"\xff", encode(ended())[:-2]])
def test_an_entry_that_is_not_understood_stops_the_reader(value: bytes | None) -> None:
    with pytest.raises(PermanentError) as caught:
        decode(value, 12)
    assert caught.value.where == "bus.grants@12"


def test_nothing_is_in_force_at_the_beginning() -> None:
    assert PolicyState().epoch == -1
    assert PolicyState().active(RESOURCE) == []


def test_a_grant_is_active_from_its_opening_to_its_end() -> None:
    assert [g.grant.id for g in fold(published(), opened()).active(RESOURCE)] == [ID]
    after = fold(published(), opened(), ended())
    assert after.active(RESOURCE) == []
    assert (after.grants[ID].ended, after.grants[ID].end_reason, after.epoch) == (2, "revoked", 2)


def test_a_grant_on_another_resource_is_not_active_here() -> None:
    assert fold(opened()).active("scjg.others") == []


def test_active_grants_come_in_the_order_of_their_ids() -> None:
    state = fold(opened(grant="b.1"), opened(grant="a.1"))
    assert [g.grant.id for g in state.active(RESOURCE)] == ["a.1", "b.1"]


def test_the_next_generation_supersedes_the_last() -> None:
    state = fold(opened(1), opened(2))
    assert [g.generation for g in state.active(RESOURCE)] == [2]
    assert [(g.generation, g.ended, g.end_reason) for g in state.ended] == [(1, 1, "superseded")]


@pytest.mark.parametrize("generation", [1, 2])
def test_a_replayed_opening_resurrects_nothing(generation: int) -> None:
    state = fold(opened(2), ended(2), opened(generation))
    assert state.active(RESOURCE) == []
    assert state.epoch == 2


def test_the_end_of_an_earlier_generation_does_not_end_the_newest() -> None:
    assert [g.generation for g in fold(opened(1), opened(2), ended(1)).active(RESOURCE)] == [2]


def test_the_first_end_stands() -> None:
    state = fold(opened(), ended(reason="suspended"), ended(reason="expired"))
    assert (state.grants[ID].ended, state.grants[ID].end_reason) == (1, "suspended")


def test_the_end_of_an_unknown_grant_moves_the_epoch_only() -> None:
    state = fold(ended())
    assert (state.epoch, dict(state.grants)) == (0, {})


def test_a_fence_is_kept_with_its_generation() -> None:
    assert fold(opened(), ended(), fenced()).grants[ID].fence == {0: 7}
    assert fold(opened(1), opened(2), fenced(1)).ended[0].fence == {0: 7}


def test_the_newest_contract_decides() -> None:
    newer = avro_contract(fields=[{"name": "id", "type": "string"}])
    state = fold(published(), published().model_copy(update={"contract": newer, "schema_id": 8}))
    in_force = state.contracts[RESOURCE]
    assert (in_force.schema_id, in_force.epoch, len(in_force.contract.fields)) == (8, 1, 1)


def test_a_state_is_not_changed_by_what_follows_it() -> None:
    before = fold(opened())
    before.after(1, ended())
    assert [g.grant.id for g in before.active(RESOURCE)] == [ID]


def test_the_newest_rule_under_an_id_holds_until_it_is_withdrawn() -> None:
    narrower = rule(subscribers=["shuiwu"], **{"except": []})
    assert fold(rule(), narrower).rules == {"person.dossier": narrower.rule}
    assert fold(rule(), WITHDRAWN).rules == {}
    assert fold(rule(), WITHDRAWN, rule()).rules == {"person.dossier": rule().rule}


def test_a_grant_remembers_the_contract_it_was_opened_under() -> None:
    newer = avro_contract(fields=[{"name": "id", "type": "string"}])
    state = fold(published(), opened(), published().model_copy(update={"contract": newer}))
    under = state.grants[ID].contract
    assert under is not None
    assert (len(under.fields), len(state.contracts[RESOURCE].contract.fields)) == (2, 1)


def test_the_first_announcement_of_a_key_fixes_the_secret_and_a_later_one_only_moves_its_end() -> None:
    day = dt.date(2027, 3, 31)
    state = fold(announced(), announced(2, "f2"), announced(1, "f1", day), announced(1, "forged"))
    assert state.keys == {1: AnnouncedKey(1, "sm3", "f1", day), 2: AnnouncedKey(2, "sm3", "f2")}
    assert state.epoch == 3
    assert state.after(4, announced()).keys[1].until is None


def test_a_log_of_before_there_were_announcements_pins_nothing() -> None:
    assert fold(published(), opened()).keys == {}
    assert fold(published(), opened()).grants[ID].key_version == 1


def opened_as(generation: int, version: int, *, approved: bool = False, **changes: Any) -> GrantOpened:
    grant = parse_grant(grant_document(id=ID, version=version, **changes))
    signed = Countersign(by="li", signature=Signature(key="0" * 16, value=base64.b64encode(bytes(64)).decode()))
    approval = Approval(application="app.1", subscriber=signed) if approved else None
    return opened(generation).model_copy(update={"grant": grant, "approval": approval})


@pytest.mark.parametrize(
    ("reason", "version", "changes", "back"),
    [
        ("revoked", 2, {}, False),
        ("revoked", 1, {}, False),
        ("revoked", 3, {}, True),
        ("expired", 2, {}, False),
        ("withdrawn", 2, {}, False),
        ("suspended", 2, {}, True),
        ("suspended", 2, {"purpose": "another"}, False),
        ("suspended", 1, {}, False),
        ("suspended", 3, {"purpose": "another"}, True),
    ],
)
def test_what_has_ended_comes_back_as_a_higher_version_only_and_what_is_suspended_also_as_it_was(
    reason: str, version: int, changes: dict[str, Any], back: bool
) -> None:
    state = PolicyState().after(0, opened_as(1, 2)).after(1, ended(1, reason))
    after = state.after(2, opened_as(2, version, **changes))
    assert (after.grants[ID].generation == 2, after.epoch) == (back, 2)


def test_an_older_document_never_takes_the_place_of_a_newer_one() -> None:
    state = PolicyState().after(0, opened_as(1, 2, approved=True))
    assert state.after(1, opened_as(2, 1, approved=True)).grants[ID].generation == 1
    assert state.after(1, opened_as(2, 1)).grants[ID].generation == 1
    assert state.after(1, opened_as(2, 2, approved=True)).grants[ID].generation == 2, "renewed under other keys"


def test_of_two_signed_documents_of_one_version_the_first_stands() -> None:
    state = PolicyState().after(0, opened_as(1, 2, approved=True))
    assert state.after(1, opened_as(2, 2, approved=True, purpose="another")).grants[ID].generation == 1
    assert state.after(1, opened_as(2, 3, approved=True, purpose="another")).grants[ID].generation == 2


def test_what_is_suspended_is_ended_for_good_by_a_decision_where_it_was_suspended() -> None:
    day = dt.date(2026, 12, 4)
    revoked = ended(reason="revoked").model_copy(update={"destroy_by": day})
    found = fold(opened(), ended(reason="suspended"), revoked, ended(reason="withdrawn")).grants[ID]
    assert (found.ended, found.end_reason, found.destroy_by) == (1, "revoked", day)


def test_each_sides_suspension_counts_once_and_stands_until_it_is_lifted_by_who_may() -> None:
    found = fold(opened(), suspended("subscriber"), suspended("provider"), suspended("provider"), suspended("bureau"))
    assert found.grants[ID].suspended_by == ("subscriber", "provider", "bureau")
    assert (found.grants[ID].ended, found.epoch) == (1, 4), "it ended where it was suspended first"
    assert found.after(5, lifted("bureau")).grants[ID].suspended_by == ("subscriber", "provider")
    assert found.after(5, lifted("provider")).grants[ID].suspended_by == ("subscriber",)
    assert found.after(5, lifted("subscriber")).grants[ID].suspended_by == ("provider", "bureau")
    assert found.after(5, lifted("provider", 2)).grants == found.grants, "of another generation"


def test_what_nobody_known_suspended_is_the_providers_to_lift() -> None:
    found = fold(opened(), suspended(None))
    assert found.after(2, lifted("bureau")).grants[ID].suspended_by == (None,)
    assert found.after(2, lifted("provider")).grants[ID].suspended_by == ()
    assert found.after(2, suspended(None)).grants[ID].suspended_by == (None,), "as before there were orders"


def test_lifting_says_nothing_of_what_is_not_suspended() -> None:
    for state in (fold(opened()), fold(opened(), ended())):
        assert state.after(9, lifted("provider")).grants == state.grants
    assert fold(opened(), suspended("provider"), ended()).grants[ID].suspended_by == ()


def test_who_did_what_is_remembered_of_each_generation_and_a_renewal_keeps_what_it_followed() -> None:
    resumed = opened(2).model_copy(update={"ordered": ordered("provider")})
    state = fold(opened(), suspended("bureau"), resumed, opened(3))
    assert [(d.what, d.capacity) for d in state.ended[0].done] == [("suspended", "bureau")]
    assert [(d.what, d.capacity) for d in state.ended[1].done] == [("resumed", "provider")]
    renewed = state.grants[ID].resumption
    assert renewed is not None
    assert (renewed.generation, renewed.before, renewed.order) == (1, state.ended[0].done, state.ended[1].done[0])
    assert fold(opened(), suspended("bureau"), opened_as(2, 3)).grants[ID].resumption is None, "another document"
