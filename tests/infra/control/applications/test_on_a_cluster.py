"""Applications on a real cluster: from the draft to what the control log grants, and what happens to those who are too late."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.control import apply_contract, apply_files, apply_grant, list_grants, resume, revoke, revoke_all, state
from infra.control.applications.cases import approve, do, draft, refuse, submit
from infra.control.applications.granting import grant_approved
from infra.control.applications.log import act
from infra.control.applications.shown import list_applications, show_application
from infra.runtime.settings import Settings
from schemas.act import SupplementRequested, Withdrawn
from schemas.application import Application
from schemas.approval import approval_text
from schemas.contract import Contract, parse_contract
from schemas.errors import ConfigError
from tests.conftest import Cluster
from tests.infra.control.applications.office import Office, application, application_document
from tests.infra.control.world import NOW, contract, contract_source, grant


class City:
    """Two resources of scjg under contracts, and people who act on a cluster that others use too."""

    def __init__(self, cluster: Cluster, office: Office, word: str) -> None:
        self.word, self.office, self.settings = word, office, cluster.settings
        for name in ("r1", "r2"):
            apply_contract(cluster.settings, contract(f"{word}.{name}"))

    def as_(self, name: str) -> Settings:
        return self.office.as_(self.settings, name)

    def document(self, **changes: Any) -> Application:
        return application(**{"id": self.word, "items": [{"resources": [f"{self.word}.*"]}], **changes})

    def submitted(self) -> str:
        draft(self.as_("clerk.sw"), self.document())
        submit(self.as_("clerk.sw"), self.word)
        return self.word


@pytest.fixture
def city(cluster: Cluster, office: Office, unique: str) -> City:
    return City(cluster, office, unique)


def test_what_both_sides_approve_is_granted_with_signatures_that_verify(city: City) -> None:
    name = city.submitted()
    approve(city.as_("head.sw"), name, only=[])
    assert grant_approved(city.as_("head.sw"), [name], now_ms=NOW).opened == ()
    _, signed = approve(city.as_("head.sc"), name)
    assert signed == (f"{name}.1", f"{name}.2")
    done = grant_approved(city.as_("head.sc"), [name], now_ms=NOW)
    assert ([g.grant for g in done.opened], done.blocked) == ([f"{name}.1", f"{name}.2"], {})
    live = state(city.settings).grants[f"{name}.1"]
    assert live.approval is not None
    assert live.approval.provider is not None
    for side, word, who in (
        ("provider", live.approval.provider, "head.sc"),
        ("subscriber", live.approval.subscriber, "head.sw"),
    ):
        said = approval_text(name, live.grant, live.fingerprint, side)  # type: ignore[arg-type]
        person = city.office.signers.verify(word.signature, said)
        assert person is not None
        assert person.id == word.by == who
    assert grant_approved(city.as_("head.sc"), [name], now_ms=NOW).opened == ()


def test_the_state_shown_follows_what_became_of_the_grants(city: City) -> None:
    name = city.submitted()
    for who in ("head.sw", "head.sc"):
        approve(city.as_(who), name)
    assert show_application(city.as_("head.sc"), name, now_ms=NOW).status == "approved"
    grant_approved(city.as_("head.sc"), [name], now_ms=NOW)
    assert show_application(city.as_("head.sc"), name, now_ms=NOW).status == "granted"
    after_its_end = NOW + 400 * 24 * 3600 * 1000
    assert show_application(city.as_("head.sc"), name, now_ms=after_its_end).status == "expired"
    fence = revoke(city.settings, f"{name}.1", reason="suspended", now_ms=NOW)
    shown = show_application(city.as_("head.sc"), name, now_ms=NOW)
    assert [i.status for i in shown.items] == ["suspended", "granted"]
    assert shown.items[0].fences[0].offsets == fence.offsets
    assert [(s.deed, s.by) for s in shown.history] == [
        ("drafted", "clerk.sw"),
        ("submitted", "clerk.sw"),
        ("approved", "head.sw"),
        ("approved", "head.sc"),
    ]
    assert all(s.at > 1_700_000_000_000 for s in shown.history)
    assert name in {a.application for a in list_applications(city.as_("head.sc"), status="suspended", now_ms=NOW)}


def test_an_application_shows_who_stopped_its_grants_and_let_them_go_on_for_whom(city: City) -> None:
    name = city.submitted()
    for who in ("head.sw", "head.sc"):
        approve(city.as_(who), name)
    grant_approved(city.as_("head.sc"), [name], now_ms=NOW)
    both = (f"{name}.1", f"{name}.2")
    revoke_all(city.as_("bureau"), both, reason="suspended", now_ms=NOW)
    resume(city.as_("head.sc"), both[:1], now_ms=NOW + 1)
    revoke(city.as_("head.sw"), both[0], now_ms=NOW + 2)
    shown = show_application(city.as_("head.sc"), name, now_ms=NOW)
    assert [(o.what, o.by, o.department, o.capacity, o.proven, o.grants) for o in shown.orders] == [
        ("suspended", "bureau", "dsjj", "bureau", True, both),
        ("resumed", "head.sc", "scjg", "provider", True, both[:1]),
        ("revoked", "head.sw", "shuiwu", "subscriber", True, both[:1]),
    ]
    assert [o.at - NOW for o in shown.orders] == [0, 1, 2]


def test_a_grant_that_is_let_go_on_by_nobody_known_is_withheld_and_by_the_provider_released(city: City) -> None:
    name = city.submitted()
    for who in ("head.sw", "head.sc"):
        approve(city.as_(who), name)
    grant_approved(city.as_("head.sc"), [name], now_ms=NOW)
    revoke(city.as_("head.sc"), f"{name}.1", reason="suspended", now_ms=NOW)
    resume(city.settings, [f"{name}.1"], now_ms=NOW)  # with the control credential and no list of signers

    def withheld() -> bool:
        found = {g.grant: g for g in list_grants(city.as_("head.sc"), now_ms=NOW)}
        return found[f"{name}.1"].withheld is not None

    assert withheld()
    revoke(city.as_("clerk.sc"), f"{name}.1", reason="suspended", now_ms=NOW)
    resume(city.as_("head.sc"), [f"{name}.1"], now_ms=NOW)
    assert not withheld()


def test_what_has_ended_is_not_granted_again_by_the_same_approval(city: City) -> None:
    name = city.submitted()
    for who in ("head.sw", "head.sc"):
        approve(city.as_(who), name)
    grant_approved(city.as_("head.sc"), [name], now_ms=NOW)
    revoke(city.settings, f"{name}.1", now_ms=NOW)
    assert grant_approved(city.as_("head.sc"), [name], now_ms=NOW).opened == ()
    assert state(city.settings).grants[f"{name}.1"].end_reason == "revoked"


def test_only_what_is_approved_of_an_application_is_granted(city: City) -> None:
    name = city.submitted()
    approve(city.as_("head.sw"), name)
    approve(city.as_("head.sc"), name, only=["*.r1"])
    case, refused = refuse(city.as_("head.sc"), name, reason="not needed", article="Art. 15")
    assert (case.status, refused) == ("partly_approved", (f"{name}.2",))
    done = grant_approved(city.as_("head.sc"), [name], now_ms=NOW)
    assert [g.grant for g in done.opened] == [f"{name}.1"]
    assert f"{name}.2" not in state(city.settings).grants


def test_of_two_who_approve_at_the_same_moment_one_is_told_that_it_was_decided(city: City) -> None:
    name = city.submitted()

    def attempt(who: str) -> str:
        try:
            approve(city.as_(who), name)
        except ConfigError as error:
            return error.what.en
        return "done"

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(attempt, ["head.sc", "office.sc"]))
    assert answers[0] == "done"
    assert "decided already" in answers[1]
    words = [i.words["provider"].by for i in show_application(city.as_("head.sc"), name).items]
    assert len(set(words)) == 1


def test_a_withdrawn_application_is_neither_approved_nor_granted(city: City) -> None:
    name = city.submitted()
    approve(city.as_("head.sw"), name)
    do(city.as_("clerk.sw"), name, Withdrawn(application=name))
    with pytest.raises(ConfigError, match="withdrawn"):
        approve(city.as_("head.sc"), name)
    assert grant_approved(city.as_("head.sc"), [name], now_ms=NOW).opened == ()


def test_supplements_are_requested_once(city: City) -> None:
    name = city.submitted()
    missing = SupplementRequested(application=name, missing=("basis",))
    do(city.as_("bureau"), name, missing)
    submit(city.as_("clerk.sw"), name)
    with pytest.raises(ConfigError, match="once"):
        do(city.as_("bureau"), name, missing)


def test_what_was_approved_under_another_view_is_not_granted_and_stops_nobody_else(city: City) -> None:
    def counts(avro: str) -> Contract:
        source = contract_source(f"{city.word}.r3")
        return parse_contract({**source, "fields": [*source["fields"], {"name": "staff", "type": avro}]})

    apply_contract(city.settings, counts("int"))
    name = city.submitted()
    for who in ("head.sw", "head.sc"):
        approve(city.as_(who), name)
    apply_contract(city.settings, counts("long"))
    done = grant_approved(city.as_("head.sc"), [name], now_ms=NOW)
    assert [g.grant for g in done.opened] == [f"{name}.1", f"{name}.2"]
    assert "its view is another one" in done.blocked[f"{name}.3"].en


def test_whoever_is_not_known_does_nothing(city: City, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nobody is known"):
        draft(city.settings.model_copy(update={"signers": city.office.folder}), city.document())
    nobody = city.as_("clerk.sw").model_copy(update={"signers": None})
    with pytest.raises(ConfigError, match="does not know the key"):
        draft(nobody, city.document())
    with pytest.raises(ConfigError, match="does not know the key"):
        act(nobody, Withdrawn(application="a"))


def test_where_signers_are_known_a_grant_from_a_file_is_refused(city: City) -> None:
    bare = grant(city.word, resource=f"{city.word}.r1")
    with pytest.raises(ConfigError, match="carries no approval"):
        apply_grant(city.as_("head.sc"), bare, now_ms=NOW)
    assert bare.id not in state(city.settings).grants


def test_an_application_in_a_file_is_drafted_once_and_a_dry_run_says_so(city: City, tmp_path: Path) -> None:
    document = application_document(id=city.word, items=[{"resources": [f"{city.word}.r1"]}])
    file = tmp_path / "application.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    clerk = city.as_("clerk.sw")
    assert [a.action for a in apply_files(clerk, [file], dry_run=True)] == ["created"]
    assert [a.action for a in apply_files(clerk, [file])] == ["created"]
    assert [a.action for a in apply_files(clerk, [file])] == ["unchanged"]
    assert show_application(clerk, city.word).status == "draft"
