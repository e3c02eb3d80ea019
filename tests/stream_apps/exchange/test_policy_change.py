"""What a change of the policy makes the exchange do, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from schemas.policy_log import ContractPublished
from stream_apps.exchange import views
from tests.stream_apps.exchange.fakes import Bench, row


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def counted(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    asked: list[Sequence[str]] = []
    monkeypatch.setattr(bench.feed, "subscribe", asked.append)
    return asked


def test_a_grant_changes_no_subscription_and_a_new_resource_does(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = counted(bench, monkeypatch)
    bench.exchange.turn()
    bench.open()
    bench.exchange.turn()
    bench.end()
    bench.exchange.turn()
    bench.publish_contract()  # another version of one that is read already
    bench.exchange.turn()
    assert asked == [["src.p.r"]]
    bench.publish_contract("p.q")
    bench.exchange.turn()
    assert asked == [["src.p.r"], ["src.p.q", "src.p.r"]]


def test_a_change_compiles_the_views_of_its_own_resource_only(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.publish_contract("p.q")
    bench.open("s.g")
    bench.open("s.h", "p.q")
    book, compiled = bench.exchange.tools.book, list[str]()

    def compiling(contract: Any, live: Any) -> Any:
        compiled.append(live.grant.id)
        return view_in_force(contract, live)

    view_in_force = views.view_in_force
    monkeypatch.setattr(views, "view_in_force", compiling)
    for resource in ("p.r", "p.q"):
        book.rules(bench.policy.state, resource)
    assert compiled == ["s.g", "s.h"]
    bench.open("s.i", "p.q")
    kept = book.rules(bench.policy.state, "p.r")
    book.rules(bench.policy.state, "p.q")
    assert compiled == ["s.g", "s.h", "s.h", "s.i"]
    assert book.rules(bench.policy.state, "p.r") is kept


def test_a_change_is_confirmed_by_the_partitions_of_its_resource_only(bench: Bench) -> None:
    bench.publish_contract("p.q")
    r, q = bench.own(), bench.own("p.q")
    bench.exchange.turn()
    bench.sender.done.clear()
    bench.open("s.h", "p.q")
    bench.exchange.turn()
    assert [set(t.offsets) for t in bench.sender.done] == [{q}]
    assert r not in bench.sender.done[0].offsets


def test_a_contract_this_version_does_not_understand_withholds_its_own_resource_only(bench: Bench) -> None:
    bench.publish_contract("p.q")
    bad, good = bench.open("s.g"), bench.open("s.h", "p.q")
    bench.fold(ContractPublished(resource="p.r", schema_id=7, contract={"type": "record", "fields": 3}, at=0, by="t"))
    bench.handle(bench.own(), [bench.event(0, "c", None, row(1))], 0)
    bench.handle(bench.own("p.q"), [bench.event(0, "c", None, row(1), "p.q")], 0)
    rules = bench.exchange.tools.book.rules(bench.policy.state, "p.r")
    assert [(w.grant.grant.id, w.reason) for w in rules.withheld] == [("s.g", "contract_not_understood")]
    entries = [e for t in bench.sender.done for e in t.entries(bad)]
    assert (entries, bench.ops(good)) == ([], ["c"])
