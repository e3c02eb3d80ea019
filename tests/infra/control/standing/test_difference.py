"""What has to be signed anew."""

from __future__ import annotations

from infra.control.standing.difference import Line, difference
from tests.infra.control.standing.policies import closed, standing

SIGNED = closed(standing()).items["scjg"]


def test_nothing_has_to_be_signed_where_only_the_version_differs() -> None:
    assert difference(SIGNED, closed(standing(version=2)).items["scjg"]) == []


def test_a_department_certified_later_or_a_resource_connected_later_is_a_line_to_sign() -> None:
    now = closed(standing(subscribers={"certified": "综合治税"}, resources={"resources": ["scjg.r2", "scjg.r1"]}))
    assert difference(SIGNED, now.items["scjg"]) == [
        Line("added", "scjg.r1", "rsj"),
        Line("added", "scjg.r2", "rsj"),
        Line("added", "scjg.r2", "shuiwu"),
    ]


def test_what_is_covered_no_more_is_removed_and_what_is_shown_otherwise_is_changed() -> None:
    now = closed(standing(resources={"resources": ["scjg.r2"]})).items["scjg"]
    assert difference(SIGNED, now) == [Line("removed", "scjg.r1", "shuiwu"), Line("added", "scjg.r2", "shuiwu")]
    masked = closed(standing(fields={"uscc": "pseudonym"}, where="uscc = '1'")).items["scjg"]
    [line] = difference(SIGNED, masked)
    assert (line.change, set(line.what) >= {"fields", "where"}) == ("changed", True)
