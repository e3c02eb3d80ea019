"""Words are found wherever they stand, the best titles first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.control.register.judge import Connected
from infra.control.register.projection import Projection
from infra.control.register.search import Query, search
from schemas.register_log import EntryPut, EntryWithdrawn
from tests.infra.control.register.world import department, entry

ENTRIES = (
    entry("tax", "a", title="纳税人信用", domain="信用", update="yearly"),
    entry("firm.more", "a", title="全市企业登记信息", sharing="conditional", conditions="x"),
    entry("firm", "b", title="企业登记"),
    entry("firm.first", "b", title="企业登记变更", items=[{"name": "uscc", "title": "统一社会信用代码"}]),
    entry("abc", "b", title="ABC Register 5%_", description="企业 与登记", **{"class": "topic"}),
)


@pytest.fixture
def projection(tmp_path: Path) -> Iterator[Projection]:
    with Projection(tmp_path / "r.db") as found:
        events = list(enumerate(EntryPut(document=d, at=0, by="x") for d in (department("a"), *ENTRIES)))
        assert found.put_register("t", "log", events, 0, 6)
        assert found.put_contracts("c", "log", [(0, ("firm", Connected("b", "unconditional")))], 0, 1)
        yield found


def ids(projection: Projection, query: Query) -> list[str]:
    return [h.id for h in search(projection, query).hits]


def test_the_very_title_comes_first_then_what_begins_so_then_titles_then_the_rest(projection: Projection) -> None:
    assert ids(projection, Query("企业登记")) == ["firm", "firm.first", "firm.more"]
    assert ids(projection, Query("登记 企业")) == ["firm", "firm.first", "firm.more", "abc"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ａｂｃ", ["abc"]),
        ("register 企业", ["abc"]),
        ("信用代码", ["firm.first"]),
        ("税", ["tax"]),
        ("5%_", ["abc"]),
        ("_irm", []),
        ("企业 税", []),
        ("' OR 1=1 --", []),
    ],
)
def test_every_word_must_occur_whatever_its_width_case_or_characters(
    projection: Projection, text: str, found: list[str]
) -> None:
    assert ids(projection, Query(text)) == found


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(provider="a"), {"tax", "firm.more"}),
        (Query(class_="topic"), {"abc"}),
        (Query(domain="信用"), {"tax"}),
        (Query(domain="topic:法人"), {"abc"}),
        (Query(sharing="conditional"), {"firm.more"}),
        (Query(update="yearly"), {"tax"}),
        (Query(connected=True), {"firm"}),
        (Query(text="登记", connected=False), {"firm.more", "firm.first", "abc"}),
    ],
)
def test_what_an_entry_is_narrows_the_search(projection: Projection, query: Query, found: set[str]) -> None:
    assert set(ids(projection, query)) == found


def test_all_that_match_are_counted_however_few_are_shown(projection: Projection) -> None:
    found = search(projection, Query(limit=2))
    assert (found.total, len(found.hits)) == (5, 2)
    assert [h.connected for h in search(projection, Query("企业登记", limit=2)).hits] == [True, False]


def test_an_entry_put_again_is_found_by_its_new_words_only_and_one_withdrawn_by_none(projection: Projection) -> None:
    new = EntryPut(document=entry("tax", "a", title="完税证明"), at=0, by="x")
    gone = EntryWithdrawn(of="CatalogueEntry", id="firm", at=0, by="x")
    assert projection.put_register("t", "log", [(6, new), (7, gone)], 6, 8)
    assert ids(projection, Query("完税")) == ["tax"]
    assert ids(projection, Query("纳税人")) == []
    assert "firm" not in ids(projection, Query("企业登记"))


def test_entries_read_before_somebody_discarded_the_projection_are_not_put_into_the_gap(projection: Projection) -> None:
    projection.discard("t")
    assert not projection.put_register("t", "log", [], 6, 8)
    assert projection.place("t") == ("", 0)


def test_entries_that_are_here_already_are_passed_over(projection: Projection) -> None:
    old = EntryPut(document=entry("tax", "a", title="旧"), at=0, by="x")
    assert projection.put_register("t", "log", [(0, old)], 0, 3)
    assert projection.place("t") == ("log", 6)
    assert ids(projection, Query("旧")) == []
