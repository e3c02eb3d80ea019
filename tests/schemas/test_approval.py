"""What is signed is exactly what is executed."""

from __future__ import annotations

import pytest

from schemas.approval import StandingItem, approval_text
from schemas.grant import Grant

GRANT = Grant.model_validate(
    {
        "id": "app.1",
        "subscriber": "shuiwu",
        "resource": "scjg.enterprise",
        "purpose": "综合治税",
        "basis": "条例",
        "fields": {"uscc": "pass", "name": {"mask": "partial", "keep_first": 1}},
        "where": "district = '云岩区'",
        "valid": {"from": "2026-11-01", "until": "2027-10-31"},
    }
)
ITEM = StandingItem.model_validate(
    {
        "standing": "zhishui",
        "version": 1,
        **{k: getattr(GRANT, k) for k in ("subscriber", "resource", "purpose", "basis", "fields", "where")},
        "valid": {"from": "2026-11-01", "until": "2027-10-31"},
        "view": "f" * 64,
    }
)


@pytest.mark.parametrize(
    "other",
    [
        {"subscriber": "gongan"},
        {"resource": "scjg.other"},
        {"purpose": "别的"},
        {"where": None},
        {"before": True},
        {"version": 2},
        {"fields": {"uscc": GRANT.fields["uscc"]}},
    ],
    ids=lambda o: next(iter(o)),
)
def test_no_other_grant_has_the_same_text_to_sign(other: dict[str, object]) -> None:
    assert approval_text("app", GRANT.model_copy(update=other), "v", "provider") != approval_text(
        "app", GRANT, "v", "provider"
    )


def test_side_application_and_view_are_signed_too() -> None:
    texts = {
        approval_text("app", GRANT, "v", "provider"),
        approval_text("app", GRANT, "v", "subscriber"),
        approval_text("other", GRANT, "v", "provider"),
        approval_text("app", GRANT, "w", "provider"),
    }
    assert len(texts) == 4


def test_a_standing_line_covers_exactly_what_it_says_and_nothing_wider() -> None:
    assert ITEM.covers(GRANT, "f" * 64)
    assert not ITEM.covers(GRANT, "e" * 64)
    for wider in (
        {"subscriber": "gongan"},
        {"where": None},
        {"before": True},
        {"purpose": "别的"},
        {"audience": "enterprise"},
        {"fields": {**GRANT.fields, "phone": GRANT.fields["uscc"]}},
    ):
        assert not ITEM.covers(GRANT.model_copy(update=wider), "f" * 64), wider


def test_a_standing_line_covers_no_grant_that_outlives_it() -> None:
    longer = GRANT.model_copy(
        update={"valid": GRANT.valid.model_copy(update={"until": ITEM.valid.until.replace(year=2028)})}
    )
    assert not ITEM.covers(longer, "f" * 64)
