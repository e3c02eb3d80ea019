"""Single rows that a database refuses are rejected; a table that refuses nearly all of them stops its delivery."""

from __future__ import annotations

from consumers.refusals import FEW, Refusals


def test_a_few_refused_rows_are_never_too_many() -> None:
    assert not Refusals().too_many(FEW, 0)


def test_a_batch_of_which_most_rows_are_refused_is() -> None:
    assert Refusals().too_many(51, 49)
    assert not Refusals().too_many(49, 51)


def test_single_rows_refused_one_after_another_become_too_many_however_much_was_taken_before() -> None:
    seen = Refusals()
    assert not seen.too_many(0, 1_000_000)
    found = [seen.too_many(1, 0) for _ in range(120)]
    assert not any(found[:FEW]) and found[-1]


def test_now_and_then_a_refused_row_is_never_too_many() -> None:
    seen = Refusals()
    assert not any(seen.too_many(n % 10 == 0, n % 10 != 0) for n in range(10_000))
