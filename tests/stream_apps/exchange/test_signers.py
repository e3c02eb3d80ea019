"""The exchange releases what both sides signed, and ignores a grant it cannot verify, whoever wrote it into the log."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.runtime.settings import Settings
from infra.runtime.signers import Signers
from schemas.errors import ConfigError
from schemas.grant import parse_grant
from schemas.policy_log import GrantOpened
from schemas.view_event import fingerprint
from stream_apps.exchange.app import trusted
from stream_apps.exchange.signer_watch import SignerWatch
from stream_apps.policy.compile import compile_view
from tests.kit.approving import Office
from tests.stream_apps.exchange.fakes import Bench, row


@pytest.fixture
def office(tmp_path: Path) -> Office:
    made = Office(tmp_path / "signers")
    made.admit("provider", "p")
    made.admit("subscriber", "s")
    return made


def open_signed(bench: Bench, office: Office) -> str:
    grant = parse_grant(
        {
            "id": "s.signed",
            "subscriber": "s",
            "resource": "p.r",
            "purpose": "t",
            "basis": "t",
            "fields": {"id": "pass", "note": "pass"},
            "valid": {"from": "2020-01-01", "until": "2099-12-31"},
        }
    )
    view = fingerprint(compile_view(bench.contract("p.r"), grant).schema)
    bench.fold(
        GrantOpened(
            grant=grant,
            generation=1,
            topic="grant.s.signed.g1",
            schema_id=500,
            fingerprint=view,
            approval=office.approval(grant, view, "provider", "subscriber"),
            at=0,
            by="t",
        )
    )
    return "grant.s.signed.g1"


def test_only_signed_grants_are_executed_where_signers_are_known(office: Office) -> None:
    bench = Bench()
    bench.exchange.trust(office.signers())
    bench.publish_contract()
    forged, signed = bench.open(), open_signed(bench, office)
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert bench.ops(signed) == ["c"]
    assert bench.ops(forged) == []
    rules = bench.exchange.tools.book.rules(bench.policy.state, "p.r")
    assert [(w.grant.grant.id, w.reason) for w in rules.withheld] == [("s.g", "unsigned")]


def test_who_is_struck_off_while_the_exchange_runs_opens_nothing_from_the_next_unit_on(office: Office) -> None:
    bench = Bench()
    bench.exchange.trust(office.signers())
    bench.publish_contract()
    signed = open_signed(bench, office)
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    office.strike("provider", "p")
    bench.exchange.trust(office.signers())
    bench.handle(place, [bench.event(1, "c", None, row(2))], 1)
    assert bench.ops(signed) == ["c"]
    assert bench.sender.done, "the unit without the grant is committed all the same"


def watch(office: Office) -> tuple[SignerWatch, list[Signers]]:
    seen: list[Signers] = []
    settings = Settings(signers=office.folder, provider_roles=("head",), subscriber_roles=("head",))
    return SignerWatch(settings, seen.append, lambda error: None), seen


def test_the_folder_is_read_again_when_a_file_changes_and_only_then(office: Office) -> None:
    watching, seen = watch(office)
    watching.look()
    watching.look()
    assert [len(s.people) for s in seen] == [2]
    office.strike("provider", "p")
    watching.look()
    assert [len(s.people) for s in seen] == [2, 1]


def test_a_folder_that_cannot_be_read_trusts_nobody_until_it_can(office: Office) -> None:
    watching, seen = watch(office)
    watching.look()
    whole = (office.folder / "p.yaml").read_text()
    (office.folder / "p.yaml").write_text(whole[: len(whole) // 2])
    watching.look()
    assert len(seen) == 1, "once may be a file in the middle of being written"
    watching.look()
    assert (seen[-1].people, seen[-1].folder) == ({}, office.folder)
    (office.folder / "p.yaml").write_text(whole)
    os.utime(office.folder / "p.yaml", (1, 1))
    watching.look()
    assert len(seen[-1].people) == 2


def test_a_secured_cluster_is_not_exchanged_on_without_signers(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="who may sign") as refused:
        trusted(Settings(security_protocol="SASL_SSL", home=tmp_path, signers=None))
    assert refused.value.where == "BUS_SIGNERS"
