"""The suite every sink passes. Subclass `SinkConformance`, give it a `target` fixture, and pytest runs it on your sink.

    class TestMySink(SinkConformance):
        @pytest.fixture
        def target(self, tmp_path): return MyTarget(tmp_path)

A target is one place to deliver to, empty at the start of each test.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Protocol

import pytest

from consumers.events import Batch, Place, Row, Step, Tombstone, ViewEvent
from consumers.sink import NotBack, Overtaken, Recreated, Sink, Zombie
from consumers.view import Column, Kind, Origin, View
from schemas.change_event import Op
from schemas.errors import PermanentError


class Target(Protocol):
    """A place to deliver to, and a look at what is in it that does not go through the sink."""

    def sink(self) -> Sink:
        """A new sink for this place. Several may exist at once."""
        ...

    def rows(self, view: View) -> list[dict[str, Any]]:
        """The table's rows, column name -> value as the database gives it; [] if there is no table."""
        ...

    def titles(self, view: View) -> Mapping[str, str]:
        """Title of each column that has one, and of the table under ""; {} if the place keeps none."""
        ...

    def stored(self, kind: Kind, value: Any) -> Any:
        """How the place gives back a value of this kind (dates as text, for example)."""
        ...


TYPED: list[tuple[str, Kind, Any]] = [
    ("a_text", "text", "云岩区 'quoted' \"double\" \\back\tslash\n%s 𠮷"),
    ("an_int", "int", -(2**31)),
    ("a_long", "long", 2**63 - 1),
    ("a_double", "double", 0.1),
    ("a_boolean", "boolean", True),
    ("a_date", "date", dt.date(1985, 2, 28)),
    ("a_time", "time", dt.time(23, 59, 59, 123000)),
    ("an_instant", "timestamp", dt.datetime.fromisoformat("2026-11-24T02:31:46.123")),
    ("a_wall_clock", "local", dt.datetime.fromisoformat("2026-11-24T10:31:46")),
    ("a_decimal", "decimal", Decimal("12345678901234.50")),
    ("some_bytes", "bytes", b"\x00\xff\\x"),
    ("a_list", "json", ["一", None, 2]),
    ("a_record", "json", {"day": dt.date(2026, 1, 2), "sum": Decimal("1.10"), "raw": b"\x01", "nested": [{"n": 1.5}]}),
]


def a_view(*, partitions: int = 1, generation: int = 1, topic_id: str = "id-1", columns: Sequence[Column] = ()) -> View:
    """A small view: key `id`, released `name` and `amount`."""
    origin = Origin(f"grant.s.r.g{generation}", topic_id, generation, partitions)
    plain = (
        Column("id", "id", "text", True, "编号"),
        Column("name", "name", "text", False, "名称; drop table --"),
        Column("amount", "amount", "long", False),
    )
    return View("s.r.2026-001", origin, "s__r__2026___001", "企业登记信息 (100% -- '企业')", tuple(columns) or plain)


def event(op: str, key: Any, offset: int, row: Row | None = None, *, partition: int = 0) -> ViewEvent:
    """A view event of `a_view`."""
    after = None if op == "d" else {"id": key, "name": None, "amount": None, **(row or {})}
    return ViewEvent(Op(op), 0, {"id": key}, None, after, Place(partition, offset))


def batch(*records: ViewEvent | Tombstone, start: int = 0, end: int | None = None, partition: int = 0) -> Batch:
    """Records of one partition, from `start` to after the last."""
    events = sum(isinstance(r, ViewEvent) for r in records)
    return Batch(records, {partition: Step(start, start + len(records) if end is None else end, events)})


class SinkConformance:
    """What `consumers.sink.Sink` promises."""

    sees_rows = True
    """Whether the sink can see which rows are there. One that cannot (a webhook, files of changes) counts the deletes it passed on."""
    shared = True
    """Whether several grants may be delivered to one place. Where not (a workbook), the second one is refused."""

    @pytest.fixture
    def target(self) -> Target:
        raise NotImplementedError("give the suite your sink: a fixture named target")

    @pytest.fixture
    def sink(self, target: Target) -> Any:
        sink = target.sink()
        yield sink
        sink.close()

    def test_a_new_sink_holds_position_0_of_every_partition(self, sink: Sink, target: Target) -> None:
        held = sink.open(a_view(partitions=3))
        assert (dict(held.positions), held.events) == ({0: 0, 1: 0, 2: 0}, 0)
        assert target.rows(a_view(partitions=3)) == []

    def test_creates_updates_and_reads_become_rows(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        written = sink.write(batch(event("c", "1", 0, {"name": "甲"}), event("r", "2", 1, {"amount": 5})))
        assert (written.upserted, written.deleted) == (2, 0)
        sink.write(batch(event("u", "1", 2, {"name": "乙", "amount": 7}), start=2))
        assert rows(target) == {"1": ("乙", 7), "2": (None, 5)}

    def test_a_delete_removes_its_row_and_no_other(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(event("c", "1", 0), event("c", "2", 1), event("c", "3", 2)))
        written = sink.write(batch(event("d", "1", 3), event("d", "absent", 4), start=3))
        assert written.deleted == (1 if self.sees_rows else 2)
        assert set(rows(target)) == {"2", "3"}

    def test_a_tombstone_whose_delete_was_compacted_away_deletes_too(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(event("c", "1", 0), event("c", "2", 1)))
        sink.write(batch(Tombstone({"id": "1"}, Place(0, 5)), start=2, end=6))
        assert set(rows(target)) == {"2"}
        assert reopened(target).positions == {0: 6}

    def test_the_last_event_of_a_key_in_a_batch_wins(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(
            batch(
                *(event("c", "1", 0, {"amount": 1}), event("u", "1", 1, {"amount": 2}), event("c", "2", 2)),
                *(event("d", "2", 3), Tombstone({"id": "2"}, Place(0, 4)), event("d", "3", 5)),
                *(Tombstone({"id": "3"}, Place(0, 6)), event("c", "3", 7, {"amount": 3})),
            )
        )
        assert rows(target) == {"1": (None, 2), "3": (None, 3)}

    def test_positions_and_event_counts_survive_reopening(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(event("c", "1", 0), Tombstone({"id": "9"}, Place(0, 1)), end=4))
        held = reopened(target)
        assert (dict(held.positions), held.events) == ({0: 4}, 1)

    def test_a_batch_of_positions_only_moves_them(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(end=7))
        assert reopened(target).positions == {0: 7}

    def test_the_same_batch_again_is_refused_and_changes_nothing(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        first = batch(event("c", "1", 0, {"amount": 1}))
        sink.write(first)
        sink.write(batch(event("u", "1", 1, {"amount": 2}), start=1))
        with pytest.raises(Zombie):
            sink.write(first)
        assert rows(target) == {"1": (None, 2)}
        assert (dict(reopened(target).positions), reopened(target).events) == ({0: 2}, 2)

    def test_a_zombie_is_rolled_back(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        successor = target.sink()
        try:
            successor.open(a_view())
            successor.write(batch(event("c", "1", 0, {"name": "successor"})))
            with pytest.raises(Zombie):
                sink.write(batch(event("c", "1", 0, {"name": "zombie"}), event("c", "2", 1)))
        finally:
            successor.close()
        assert rows(target) == {"1": ("successor", None)}

    def test_one_stale_partition_rolls_back_the_others(self, sink: Sink, target: Target) -> None:
        view = a_view(partitions=2)
        sink.open(view)
        records = [event("c", "1", 0), event("c", "2", 0, partition=1)]
        with pytest.raises(Zombie):
            sink.write(Batch(records, {0: Step(0, 1, 1), 1: Step(3, 4, 1)}))
        assert target.rows(view) == []
        assert dict(reopened(target, view).positions) == {0: 0, 1: 0}

    def test_a_failure_between_positions_and_rows_leaves_neither(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        with pytest.raises(PermanentError):
            sink.write(batch(event("c", "1", 0), event("c", "2", 1, {"amount": 2**70})))
        assert rows(target) == {}
        assert (dict(reopened(target).positions), reopened(target).events) == ({0: 0}, 0)

    def test_a_sink_goes_on_after_a_refused_batch(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        with pytest.raises(PermanentError):
            sink.write(batch(event("c", None, 0)))
        sink.write(batch(event("c", "1", 0)))
        assert set(rows(target)) == {"1"}

    def test_a_null_key_is_refused_with_its_place_and_without_content(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        with pytest.raises(PermanentError) as caught:
            sink.write(batch(event("c", "1", 0), event("c", None, 1, {"name": "张三"})))
        assert "grant.s.r.g1[0]@1" in str(caught.value)
        assert "张三" not in str(caught.value)
        assert rows(target) == {}

    def test_an_error_never_quotes_a_value(self, sink: Sink) -> None:
        sink.open(a_view())
        with pytest.raises(PermanentError) as caught:
            sink.write(batch(event("c", "1", 0, {"name": "张三", "amount": 520103198502280011 * 10**9})))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__
        assert "520103198502280011" not in str(caught.value) + caught.value.message("zh")

    def test_partitions_advance_independently(self, sink: Sink, target: Target) -> None:
        view = a_view(partitions=3)
        sink.open(view)
        sink.write(batch(event("c", "a", 0, partition=2), partition=2))
        sink.write(Batch([event("c", "b", 0), event("c", "c", 1, partition=2)], {0: Step(0, 3, 1), 2: Step(1, 2, 1)}))
        assert dict(reopened(target, view).positions) == {0: 3, 1: 0, 2: 2}
        assert {r["id"] for r in target.rows(view)} == {"a", "b", "c"}

    def test_every_type_comes_back_as_it_was(self, sink: Sink, target: Target) -> None:
        columns = [Column("id", "id", "text", True)]
        columns += [Column(n, n, k, False, "", 18 if k == "decimal" else 0, 2) for n, k, _ in TYPED]
        view = a_view(columns=columns)
        sink.open(view)
        sink.write(batch(event("c", "full", 0, {n: v for n, _, v in TYPED}), event("c", "empty", 1)))
        found = {r["id"]: r for r in target.rows(view)}
        assert found["full"] == {"id": "full"} | {n: target.stored(k, v) for n, k, v in TYPED}
        assert found["empty"] == {"id": "empty"} | {n: None for n, _, _ in TYPED}

    def test_keys_of_several_typed_columns(self, sink: Sink, target: Target) -> None:
        columns = [
            Column("code", "code", "text", True),
            Column("day", "day", "date", True),
            Column("n", "n", "long", True),
        ]
        view = a_view(columns=columns)
        sink.open(view)
        keys = [{"code": c, "day": dt.date(2026, 1, d), "n": 2**40} for c, d in (("a|b", 1), ("a|b", 2), ("", 1))]
        made = [ViewEvent(Op.CREATE, 0, k, None, k, Place(0, i)) for i, k in enumerate(keys)]
        sink.write(batch(*made, *(replace(e, op=Op.UPDATE, place=Place(0, 3 + i)) for i, e in enumerate(made))))
        sink.write(batch(ViewEvent(Op.DELETE, 0, keys[0], None, None, Place(0, 6)), start=6))
        left = {(r["code"], str(r["day"]), r["n"]) for r in target.rows(view)}
        assert left == {("a|b", "2026-01-02", 2**40), ("", "2026-01-01", 2**40)}

    def test_a_hashed_key_has_its_own_column_beside_a_masked_field(self, sink: Sink, target: Target) -> None:
        view = a_view(columns=[Column("_key", "_key", "text", True), Column("id", "id", "text", False)])
        sink.open(view)
        made = [ViewEvent(Op.CREATE, 0, {"_key": t}, None, {"id": "520***"}, Place(0, i)) for i, t in enumerate("xy")]
        sink.write(batch(*made))
        assert {(r["_key"], r["id"]) for r in target.rows(view)} == {("x", "520***"), ("y", "520***")}

    def test_odd_names_are_only_names(self, sink: Sink, target: Target) -> None:
        names = ["select", "Order", "user", "_", "group"]
        columns = [Column("id", "id", "text", True), *(Column(n, n, "text", False) for n in names)]
        view = a_view(columns=columns)
        sink.open(view)
        sink.write(batch(event("c", "1", 0, dict.fromkeys(names, "x"))))
        assert target.rows(view) == [{"id": "1", **dict.fromkeys(names, "x")}]

    def test_titles_for_people_are_kept(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        titles = target.titles(a_view())
        if titles:
            assert titles == {"": "企业登记信息 (100% -- '企业')", "id": "编号", "name": "名称; drop table --"}

    def test_the_next_generation_starts_from_an_empty_table(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(event("c", "old", 0)))
        narrower = replace(a_view(generation=2, topic_id="id-2"), columns=a_view().columns[:2])
        held = sink.open(narrower)
        assert (dict(held.positions), held.events, target.rows(narrower)) == ({0: 0}, 0, [])
        sink.write(batch(ViewEvent(Op.READ, 0, {"id": "new"}, None, {"id": "new", "name": "甲"}, Place(0, 0))))
        assert target.rows(narrower) == [{"id": "new", "name": "甲"}]

    def test_a_zombie_of_an_earlier_generation_cannot_write_at_an_equal_offset(
        self, sink: Sink, target: Target
    ) -> None:
        sink.open(a_view())
        successor = target.sink()
        successor.open(a_view(generation=2, topic_id="id-2"))
        successor.close()
        with pytest.raises(Zombie):
            sink.write(batch(event("c", "old", 0)))
        assert rows(target) == {}

    def test_an_earlier_generation_is_refused(self, sink: Sink, target: Target) -> None:
        sink.open(a_view(generation=2, topic_id="id-2"))
        late = target.sink()
        with pytest.raises(Overtaken):
            late.open(a_view())
        late.close()

    def test_a_recreated_topic_is_refused_and_rebuilt_only_when_asked(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(event("c", "1", 0)))
        other = target.sink()
        with pytest.raises(Recreated):
            other.open(a_view(topic_id="id-9"))
        assert set(rows(target)) == {"1"}
        assert dict(other.open(a_view(topic_id="id-9"), rebuild=True).positions) == {0: 0}
        other.close()
        assert rows(target) == {}

    def test_a_sink_set_back_takes_the_same_events_again_and_ends_with_the_same_rows(
        self, sink: Sink, target: Target
    ) -> None:
        sink.open(a_view())
        first = batch(event("c", "1", 0, {"amount": 1}), event("c", "2", 1))
        then = batch(event("u", "1", 2, {"amount": 2}), event("d", "2", 3), start=2)
        sink.write(first)
        sink.write(then)
        assert dict(sink.rewind({0: 0}).positions) == {0: 0}
        again = target.sink()
        try:
            assert dict(again.open(a_view()).positions) == {0: 0}
            again.write(first)
            again.write(then)
        finally:
            again.close()
        assert rows(target) == {"1": (None, 2)}
        assert dict(reopened(target).positions) == {0: 4}

    def test_a_sink_set_back_counts_as_one_that_has_everything_up_to_now(self, sink: Sink, target: Target) -> None:
        began = sink.open(a_view()).since_ms
        sink.write(batch(event("c", "1", 0)))
        now = sink.rewind({0: 0}).since_ms
        assert began is None or (now is not None and now >= began)

    def test_setting_back_leaves_other_partitions_where_they_are(self, sink: Sink, target: Target) -> None:
        view = a_view(partitions=3)
        sink.open(view)
        sink.write(Batch([event("c", "1", 0)], {0: Step(0, 5, 1), 1: Step(0, 6, 0), 2: Step(0, 7, 0)}))
        assert dict(sink.rewind({0: 2, 2: 7}).positions) == {0: 2, 1: 6, 2: 7}
        assert dict(reopened(target, view).positions) == {0: 2, 1: 6, 2: 7}

    @pytest.mark.parametrize("wrong", [{0: 1, 1: 7}, {0: 1, 1: -1}, {0: 1, 2: 0}])
    def test_a_sink_is_never_set_forward_nor_where_no_partition_is(
        self, sink: Sink, target: Target, wrong: dict[int, int]
    ) -> None:
        view = a_view(partitions=2)
        sink.open(view)
        sink.write(Batch([], {0: Step(0, 5, 0), 1: Step(0, 6, 0)}))
        with pytest.raises(NotBack):
            sink.rewind(wrong)
        assert dict(reopened(target, view).positions) == {0: 5, 1: 6}

    def test_a_deliverer_that_did_not_know_of_the_setting_back_is_a_zombie(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(event("c", "1", 0), event("c", "2", 1)))
        other = target.sink()
        try:
            other.open(a_view())
            other.rewind({0: 1})
        finally:
            other.close()
        with pytest.raises(Zombie):
            sink.write(batch(event("c", "3", 2), start=2))
        assert set(rows(target)) == {"1", "2"}

    def test_two_grants_in_one_place_do_not_touch_each_other(self, sink: Sink, target: Target) -> None:
        sink.open(a_view())
        sink.write(batch(event("c", "1", 0)))
        neighbour, second = replace(a_view(), grant="s.r.2026-002", table="s__r__2026___002"), target.sink()
        if not self.shared:
            with pytest.raises(PermanentError):
                second.open(neighbour)
            second.close()
            assert set(rows(target)) == {"1"}
            return
        assert second.open(neighbour).events == 0
        second.write(batch(event("c", "2", 0)))
        second.close()
        assert set(rows(target)) == {"1"}
        assert {r["id"] for r in target.rows(neighbour)} == {"2"}

    def test_closing_twice_or_unopened_is_fine(self, target: Target) -> None:
        sink = target.sink()
        sink.close()
        sink.open(a_view())
        sink.close()
        sink.close()


def rows(target: Target) -> dict[str, tuple[Any, Any]]:
    """The rows of `a_view`: id -> (name, amount)."""
    return {r["id"]: (r["name"], r["amount"]) for r in target.rows(a_view())}


def reopened(target: Target, view: View | None = None) -> Any:
    """What another sink on the same place finds."""
    sink = target.sink()
    try:
        return sink.open(view or a_view())
    finally:
        sink.close()
