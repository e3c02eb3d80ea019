"""What a command would bring about is judged as a whole, without a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.control.documents import Documents
from infra.control.plan import Plan, make_plan
from infra.runtime.signers import Signers
from schemas.combination_rule import CombinationRule, parse_rule
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.ids import grant_topic
from schemas.policy_log import ContractPublished, GrantEnded, GrantOpened, RulePublished, RuleWithdrawn
from schemas.policy_state import PolicyState
from schemas.signature import Signature, contract_change, key_id
from schemas.view_event import fingerprint
from tests.infra.control.test_plan import TODAY
from tests.infra.control.world import contract_source, grant

FLOOR = [{"mask": "partial", "keep_first": {"max": 0}}, {"mask": "partial", "keep_last": {"max": 0}}, "pseudonym"]
HEAD, TAIL = {"mask": "partial", "keep_first": 6}, {"mask": "partial", "keep_last": 4}
RULE = {
    "id": "r.dossier",
    "subject": "person",
    "fields": ["name", "id_no"],
    "title": {"zh": "画像", "en": "dossiers"},
    "basis": "Art. 25",
}


def contract(name: str, masks: Any = FLOOR, **changes: Any) -> Contract:
    source = contract_source(f"{name}.r", **{"subject": "person", **changes})
    id_no = {"name": "id_no", "type": "string", "format": "cn-id"} | ({} if masks is None else {"masks": masks})
    return parse_contract({**source, "fields": [*source["fields"], id_no]})


def shows(name: str, use: Any, field: str = "id_no", **changes: Any) -> Grant:
    return grant(name, fields={field: use}, **changes)


def rule(**changes: Any) -> CombinationRule:
    return parse_rule({**RULE, **changes})


def plan(
    state: PolicyState,
    *documents: Contract | Grant | CombinationRule,
    signatures: dict[str, Signature] | None = None,
    signers: Signers | None = None,
) -> Plan:
    given = Documents(
        tuple((f"{d.id}.avsc", d) for d in documents if isinstance(d, Contract)),
        tuple((f"{d.id}.yaml", d) for d in documents if isinstance(d, Grant)),
        (),
        tuple((f"{d.id}.yaml", d) for d in documents if isinstance(d, CombinationRule)),
        signatures or {},
    )
    return make_plan(state, given, {}, TODAY, signers or Signers())


def refused(state: PolicyState, *documents: Contract | Grant | CombinationRule, **more: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        plan(state, *documents, **more)
    return caught.value


def apply(state: PolicyState, *documents: Contract | Grant | CombinationRule) -> PolicyState:
    """The state once the documents are in force."""
    planned = plan(state, *documents)
    events: list[Any] = [
        ContractPublished(resource=p.contract.id, schema_id=1, contract=p.contract.source, at=0, by="t")
        for p in planned.contracts
    ]
    events += [
        GrantOpened(
            grant=p.grant,
            generation=p.generation,
            topic=grant_topic(p.grant.id, p.generation),
            schema_id=2,
            fingerprint=fingerprint(p.view_schema),
            at=0,
            by="t",
        )
        for p in planned.grants
    ]
    events += [RulePublished(rule=p.rule, at=0, by="t") for p in planned.rules]
    for event in events:
        state = state.after(state.epoch + 1, event)
    return state


@pytest.fixture
def published() -> PolicyState:
    return apply(PolicyState(), contract("a"), contract("b"))


def test_a_grant_that_completes_what_another_in_force_shows_is_refused_and_names_it(published: PolicyState) -> None:
    state = apply(published, shows("a", HEAD))
    error = refused(state, shows("b", TAIL))
    assert error.where == "b.grant.yaml: fields.id_no"
    assert "a.grant" in error.what.en
    assert "a.grant" in error.what.zh
    assert plan(state, shows("b", HEAD)).grants[0].action == "created"
    assert plan(state, shows("b", TAIL, subscriber="gongan")).grants[0].action == "created"


def test_documents_applied_together_are_judged_together(published: PolicyState) -> None:
    assert refused(published, shows("a", HEAD), shows("b", TAIL)).where == "a.grant.yaml: fields.id_no"


def test_a_renewed_grant_stands_for_its_former_generation_and_an_ended_one_for_nothing(published: PolicyState) -> None:
    state = apply(published, shows("a", HEAD))
    assert len(plan(state, shows("a", TAIL), shows("b", TAIL)).grants) == 2
    over = state.after(state.epoch + 1, GrantEnded(grant="a.grant", generation=1, reason="revoked", at=0, by="t"))
    assert plan(over, shows("b", TAIL)).grants[0].action == "created"


def test_a_grant_that_is_withheld_shows_nothing(published: PolicyState) -> None:
    state = apply(published, shows("a", HEAD))
    state = apply(state, contract("a", ["pseudonym"]))
    assert plan(state, shows("b", TAIL)).grants[0].action == "created"


def test_a_contract_that_forbids_what_grants_show_together_is_refused_unless_they_are_amended_with_it() -> None:
    wide = ["partial", "pseudonym"]
    state = apply(PolicyState(), contract("a", wide), contract("b", wide), shows("a", HEAD), shows("b", TAIL))
    error = refused(state, contract("a"))
    assert error.where == "a.r.avsc"
    assert "a.grant" in error.what.en
    assert "b.grant" in error.what.en
    assert plan(state, contract("a"), shows("b", HEAD)).contracts[0].action == "changed"


def both(state: PolicyState) -> PolicyState:
    return apply(state, shows("a", "pass", "name"), shows("b", HEAD))


def test_a_rule_that_grants_in_force_break_is_refused_and_names_them_all(published: PolicyState) -> None:
    error = refused(both(published), rule())
    assert error.where == "r.dossier.yaml"
    assert "a.grant" in error.what.en
    assert "b.grant" in error.what.en
    assert plan(both(published), rule(), shows("b", "pseudonym")).rules[0].action == "created"
    assert plan(both(published), rule(**{"except": ["shuiwu"]})).rules[0].action == "created"


def test_a_grant_that_completes_a_forbidden_combination_is_refused_at_its_file(published: PolicyState) -> None:
    state = apply(published, rule(), shows("a", "pass", "name"))
    assert refused(state, shows("b", HEAD)).where == "b.grant.yaml"
    assert "r.dossier" in refused(state, grant("b", fields={"name": "pass", "id_no": HEAD})).what.en
    assert plan(state, shows("b", "pseudonym")).grants[0].action == "created"


def test_a_contract_that_brings_granted_fields_under_a_rule_is_refused_at_its_file() -> None:
    state = apply(PolicyState(), contract("a"), contract("b", subject="enterprise"), rule())
    state = both(state)
    source = contract("b").source
    signed = signature(source, state, "b.r")
    error = refused(state, parse_contract(source), signatures={"b.r": signed}, signers=SIGNERS)
    assert error.where == "b.r.avsc"
    assert "r.dossier" in error.what.en


def test_a_withdrawn_rule_holds_no_longer(published: PolicyState) -> None:
    state = apply(published, rule())
    assert plan(state, rule()).rules[0].action == "unchanged"
    assert plan(state, rule(withdrawn=True)).rules[0].action == "changed"
    assert plan(published, rule(withdrawn=True)).rules[0].action == "unchanged"
    assert len(plan(state, rule(withdrawn=True), shows("a", "pass", "name"), shows("b", HEAD)).grants) == 2
    gone = state.after(state.epoch + 1, RuleWithdrawn(rule="r.dossier", at=0, by="t"))
    assert gone.rules == {}
    assert set(both(gone).grants) == {"a.grant", "b.grant"}


KEY, OTHER = Ed25519PrivateKey.from_private_bytes(b"k" * 32), Ed25519PrivateKey.from_private_bytes(b"o" * 32)
SIGNERS = Signers(
    {
        department: {key_id(k.public_key().public_bytes_raw()): k.public_key()}
        for department, k in (("scjg", KEY), ("others", OTHER))
    }
)


def signature(source: dict[str, Any], state: PolicyState, resource: str, key: Ed25519PrivateKey = KEY) -> Signature:
    from base64 import b64encode

    current = state.contracts[resource]
    said = contract_change(source, current.contract.source, current.epoch)
    return Signature(key=key_id(key.public_key().public_bytes_raw()), value=b64encode(key.sign(said)).decode())


WEAKER = contract("a", [*FLOOR, "pass"])


def test_a_contract_that_protects_less_is_refused_without_its_providers_signature(published: PolicyState) -> None:
    error = refused(published, WEAKER)
    assert "id_no.masks: pass" in error.what.en
    assert "scjg 签名" in error.what.zh
    assert error.hint is not None
    assert "bus sign --key PRIVATE.pem a.r.avsc" in error.hint.en
    assert "BUS_SIGNERS" in error.hint.en
    assert "--since 0" in error.hint.zh
    assert plan(published, contract("a", ["pseudonym"])).contracts[0].signed is None


def test_signed_by_its_provider_it_is_accepted_and_the_evidence_is_kept(published: PolicyState) -> None:
    signed = signature(WEAKER.source, published, "a.r")
    [planned] = plan(published, WEAKER, signatures={"a.r": signed}, signers=SIGNERS).contracts
    assert planned.signed is not None
    assert (planned.signed.by, planned.signed.signature, planned.signed.since) == ("scjg", signed, 0)
    assert planned.signed.replaces == fingerprint(published.contracts["a.r"].contract.source)
    assert len(planned.weakened) == 1


def test_without_deposited_keys_no_signature_counts(published: PolicyState) -> None:
    error = refused(published, WEAKER, signatures={"a.r": signature(WEAKER.source, published, "a.r")})
    assert "not deposited" in error.what.en
    assert error.hint is not None
    assert "BUS_SIGNERS" in error.hint.en


@pytest.mark.parametrize("key", [OTHER, Ed25519PrivateKey.from_private_bytes(b"x" * 32)])
def test_another_departments_key_does_not_sign_for_the_provider(published: PolicyState, key: Ed25519PrivateKey) -> None:
    signed = signature(WEAKER.source, published, "a.r", key)
    assert "not deposited" in refused(published, WEAKER, signatures={"a.r": signed}, signers=SIGNERS).what.en


def test_who_takes_a_resource_over_cannot_sign_for_who_gives_it_away(published: PolicyState) -> None:
    taken = contract("a", provider="others")
    theirs, ours = (signature(taken.source, published, "a.r", key) for key in (OTHER, KEY))
    refused(published, taken, signatures={"a.r": theirs}, signers=SIGNERS)
    assert plan(published, taken, signatures={"a.r": ours}, signers=SIGNERS).contracts[0].signed is not None


def test_a_signature_is_of_one_change_and_never_of_another(published: PolicyState) -> None:
    signed = {"a.r": signature(WEAKER.source, published, "a.r")}
    more = contract("a", None)
    assert "not of this change" in refused(published, more, signatures=signed, signers=SIGNERS).what.en
    between = apply(published, contract("a", ["pseudonym"]))
    assert "not of this change" in refused(between, WEAKER, signatures=signed, signers=SIGNERS).what.en


def test_a_change_that_was_undone_is_not_done_again_with_the_old_signature(published: PolicyState) -> None:
    signed = {"a.r": signature(WEAKER.source, published, "a.r")}
    for of in (WEAKER, contract("a")):
        event = ContractPublished(resource="a.r", schema_id=1, contract=of.source, at=0, by="t")
        published = published.after(published.epoch + 1, event)
    assert "not of this change" in refused(published, WEAKER, signatures=signed, signers=SIGNERS).what.en


def test_a_grant_whose_view_the_contract_has_changed_is_renewed_by_applying_it_again(published: PolicyState) -> None:
    state = apply(published, shows("a", "pseudonym"))
    source = contract("a").source
    fields = [{k: v for k, v in f.items() if k != "format"} for f in source["fields"]]
    changed = parse_contract({**source, "fields": fields})
    signed = {"a.r": signature(changed.source, state, "a.r")}
    alone = plan(state, changed, signatures=signed, signers=SIGNERS)
    assert "id_no" in alone.contracts[0].withheld["a.grant"].en
    together = plan(state, changed, shows("a", "pseudonym"), signatures=signed, signers=SIGNERS)
    assert together.contracts[0].withheld == {}
    assert [(p.action, p.generation) for p in together.grants] == [("changed", 2)]
