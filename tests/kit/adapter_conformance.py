"""The suite every adapter passes. An author makes a subclass named `Test…`, gives it a `source`, and runs pytest.

A `Source` is the author's own: a place of changes small enough to read in several batches, whose adapter can be made
again and again. No Kafka is needed: the suite plays runner and keeps the committed position as Kafka would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from producers.adapter import Adapter, Batch
from schemas.change_event import ChangeEvent, Op
from schemas.contract import Contract


class Source(Protocol):
    """A source with at least three batches of changes and, if the adapter keeps state, an empty one."""

    contract: Contract

    def adapter(self) -> Adapter:
        """A new adapter on the same source (and the same state)."""
        ...


class AdapterConformance:
    """Inherit, and provide the fixture `source`."""

    def test_reads_to_the_end_and_gives_every_event_its_own_id(self, source: Source) -> None:
        events = Run(source).to_end()
        assert len(events) > 0
        assert len({e.event_id for e in events}) == len(events)

    def test_positions_are_never_used_twice(self, source: Source) -> None:
        run = Run(source)
        run.to_end()
        assert len(run.positions) >= 3, "the source must be read in at least three batches"
        assert len(set(run.positions)) == len(run.positions)
        assert all(len(p) <= 4096 for p in run.positions)

    def test_a_death_before_each_commit_repeats_the_batch_with_the_same_ids(self, source: Source) -> None:
        run = Run(source)
        lost = run.until_death(before_commit=True)
        while lost:
            again = run.step()
            assert [e.event_id for e in again] == [e.event_id for e in lost]
            lost = run.until_death(before_commit=True)
        run.check_states()

    def test_a_death_after_each_commit_loses_nothing_and_repeats_nothing(self, source: Source) -> None:
        run = Run(source)
        while run.until_death(before_commit=False):
            pass
        run.check_states()
        assert len({e.event_id for e in run.events}) == len(run.events)

    def test_reading_again_after_the_end_gives_nothing_new(self, source: Source) -> None:
        run = Run(source)
        run.to_end()
        assert run.to_end() == []

    def test_goes_on_when_the_contract_check_leaves_only_a_part_of_a_batch(self, source: Source) -> None:
        run = Run(source)
        kept = run.step(accept=lambda events: events[::2])
        rest = run.to_end()
        assert len(kept) > 0 and len({e.event_id for e in [*kept, *rest]}) == len(kept) + len(rest)
        assert run.to_end() == []

    def test_events_have_the_shape_of_their_operation(self, source: Source) -> None:
        for e in Run(source).to_end():
            assert (e.before is None) == (e.op in (Op.CREATE, Op.READ))
            assert (e.after is None) == (e.op is Op.DELETE)
            row = e.before if e.after is None else e.after
            assert row is not None and set(e.key) == set(source.contract.key)
            assert set(row) <= set(source.contract.by_name)

    def test_close_after_a_failed_or_unused_open_does_not_raise(self, source: Source) -> None:
        source.adapter().close()
        adapter = source.adapter()
        adapter.open(source.contract, None)
        adapter.close()


class Run:
    """A runner without Kafka: what was committed, and the position it was committed with."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.events: list[ChangeEvent] = []
        self.positions: list[str] = []

    @property
    def position(self) -> str | None:
        """The committed position."""
        return self.positions[-1] if self.positions else None

    def to_end(self) -> list[ChangeEvent]:
        """Everything from the committed position on, committed."""
        first = len(self.events)
        while self.step():
            pass
        return self.events[first:]

    def step(
        self, accept: Callable[[Sequence[ChangeEvent]], Sequence[ChangeEvent]] = lambda events: events
    ) -> list[ChangeEvent]:
        """One batch by a new adapter, what is accepted of it committed and confirmed; empty at the end."""
        adapter = self.source.adapter()
        try:
            adapter.open(self.source.contract, self.position)
            batch = _next(adapter)
            if batch is None:
                return []
            batch = replace(batch, events=accept(batch.events))
            adapter.prepare(batch.events, batch.position)
            self._commit(batch)
            adapter.committed(batch.position)
            return list(batch.events)
        finally:
            adapter.close()

    def until_death(self, *, before_commit: bool) -> Sequence[ChangeEvent]:
        """One batch whose process dies on one side of the commit; empty at the end."""
        adapter = self.source.adapter()
        try:
            adapter.open(self.source.contract, self.position)
            batch = _next(adapter)
            if batch is None:
                return []
            adapter.prepare(batch.events, batch.position)
            if not before_commit:
                self._commit(batch)
            return batch.events
        finally:
            adapter.close()

    def check_states(self) -> None:
        """Each `before` is the row as the events before it left it: nothing is missing and nothing came twice."""
        rows: dict[tuple[object, ...], object] = {}
        for e in self.events:
            key = tuple(e.key.values())
            if e.op is Op.CREATE:
                assert key not in rows
            if e.before is not None and key in rows:
                assert rows[key] == {k: e.before.get(k) for k in e.before}
            if e.after is None:
                rows.pop(key, None)
            else:
                rows[key] = e.after

    def _commit(self, batch: Batch) -> None:
        self.events += batch.events
        self.positions.append(batch.position)


def _next(adapter: Adapter) -> Batch | None:
    """The next batch with anything in it."""
    while (batch := adapter.read()) is not None:
        if batch.events or batch.rejected:
            return batch
    return None
