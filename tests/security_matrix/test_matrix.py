"""The small matrix; `make security-matrix` tries the large one."""

from __future__ import annotations

from tests.security_matrix.matrix import Cell
from tests.security_matrix.run import run
from tests.security_matrix.scenario import SMALL


def test_every_cell_that_no_grant_allows_is_refused_and_every_one_that_is_allowed_works() -> None:
    matrix = run(SMALL)
    assert matrix.wrong == []
    counts = matrix.counts()
    assert counts["cells"] > 2_000
    assert counts["allowed"] > 150
    assert not [c for c in matrix.cells if c.intruder and c.said is None]


def test_a_cell_is_wrong_when_it_is_refused_or_done_against_the_rules_or_nothing_is_heard() -> None:
    def wrong(*, allowed: bool, said: str | None, intruder: bool = False) -> bool:
        return Cell("p", "fetch", "t", allowed, said, intruder).wrong

    assert wrong(allowed=False, said=None)
    assert wrong(allowed=True, said="TOPIC_AUTHORIZATION_FAILED")
    assert wrong(allowed=False, said="_TIMED_OUT"), "silence proves nothing of somebody who is let in"
    assert not wrong(allowed=False, said="_TIMED_OUT", intruder=True)
    assert not wrong(allowed=True, said=None)
