"""The benchmark of the policy times what there is."""

from __future__ import annotations

from infra.bus.bench.policy import CASES, FILTERS, mask_of, measure
from schemas.grant import MaskUse
from stream_apps.policy.masks import MASKS


def test_every_mask_of_the_catalogue_is_timed() -> None:
    timed = {MaskUse.model_validate(case.use).mask for case in CASES}
    assert timed >= set(MASKS) - {"drop", "bucket", "date_to_year"}  # the last two are other names of generalise


def test_every_case_is_a_mask_a_grant_may_use() -> None:
    for case in CASES:
        assert mask_of(case).columns


def test_one_round_gives_a_rate_for_every_mask_and_filter() -> None:
    found = measure(1)
    assert [m["name"] for m in found["masks"]] == [case.label for case in CASES]
    assert [f["name"] for f in found["filters"]] == list(FILTERS)
    for row in (*found["masks"], *found["filters"]):
        assert all(row[rate] > 0 for rate in row if rate.endswith("_per_second"))
