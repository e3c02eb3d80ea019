"""Single rows that a database refuses are rejected; a table that refuses nearly all of them stops its delivery."""

from __future__ import annotations

from consumers.refusals import FEW, Refusals


def after(*batches: tuple[int, int]) -> Refusals:
    """What is counted after batches of rows (refused, taken)."""
    made = Refusals()
    for batch in batches:
        made.add(*batch)
    return made


def test_a_few_refused_rows_are_never_too_many() -> None:
    assert not after((FEW, 0)).too_many


def test_a_batch_of_which_most_rows_are_refused_is() -> None:
    assert after((51, 49)).too_many
    assert not after((49, 51)).too_many


def test_single_rows_refused_one_after_another_become_too_many_however_much_was_taken_before() -> None:
    assert not after((0, 1_000_000), *[(1, 0)] * FEW).too_many
    assert after((0, 1_000_000), *[(1, 0)] * 120).too_many


def test_a_batch_refused_as_a_whole_is_too_many_however_much_was_taken_before() -> None:
    assert after((0, 1_000_000), (2 * FEW, 0)).too_many


def test_now_and_then_a_refused_row_is_never_too_many() -> None:
    seen = Refusals()
    for n in range(10_000):
        seen.add(n % 10 == 0, n % 10 != 0)
        assert not seen.too_many
