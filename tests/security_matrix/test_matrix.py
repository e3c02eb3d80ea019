"""The small matrix; `make security-matrix` tries the large one."""

from __future__ import annotations

from infra.runtime.kafka import admin
from infra.security.reconcile import Drift, Held, repair
from tests.security_matrix.matrix import Cell, try_all
from tests.security_matrix.run import prepared
from tests.security_matrix.scenario import SMALL


def test_every_cell_that_no_grant_allows_is_refused_and_every_one_that_is_allowed_works() -> None:
    with prepared(SMALL) as there:
        few = {name: there.intruders[name] for name in ("wrong password", "nothing", "no certificate")}
        matrix = try_all(SMALL, there.login, few)
    assert matrix.wrong == []
    counts = matrix.counts()
    assert counts["cells"] > 2_200
    assert counts["allowed"] > 150
    assert not [c for c in matrix.cells if c.intruder and c.said is None]


def test_what_somebody_allowed_by_hand_and_what_is_missing_are_both_seen() -> None:
    stolen = Held("User:shuiwu~tax~1", "topic", "src.wjw.hospital", "literal", "read")
    own = Held("User:scjg~main~1", "transaction", "publisher.scjg.enterprise:", "prefixed", "write")
    with prepared(SMALL) as there:
        repair(admin(there.control), Drift((stolen,), (own,)))
        matrix = try_all(SMALL, there.login, {})
    found = {(c.principal, c.operation, c.name, c.allowed) for c in matrix.wrong}
    seen = {("shuiwu~tax~1", o, "src.wjw.hospital", False) for o in ("fetch", "list", "describe")}
    mine = "publisher.scjg.enterprise:file"
    lost = {("scjg~main~1", o, mine, True) for o in ("transactional id", "init producer")}
    assert found == seen | lost


def test_a_cell_is_wrong_when_it_is_refused_or_done_against_the_rules_or_nothing_is_heard() -> None:
    def wrong(*, allowed: bool, said: str | None, intruder: bool = False) -> bool:
        return Cell("p", "fetch", "t", allowed, said, intruder).wrong

    assert wrong(allowed=False, said=None)
    assert wrong(allowed=True, said="TOPIC_AUTHORIZATION_FAILED")
    assert wrong(allowed=False, said="_TIMED_OUT"), "silence proves nothing of somebody who is let in"
    assert not wrong(allowed=False, said="_TIMED_OUT", intruder=True)
    assert not wrong(allowed=True, said=None)
