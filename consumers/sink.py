"""The contract between the runner and a sink: rows and positions become durable together, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from consumers.events import Batch
from consumers.view import Origin, View
from schemas.errors import PermanentError, TransientError
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class Held:
    """What a sink holds of a view: the offset to read next in each partition, and how many events brought it there.

    since_ms   when it was last made anew, milliseconds since 1970 UTC by the store's clock; None if the sink cannot tell. With
               it, a filling that began lately may go on over records older than the topic keeps deletes (`absence.py`)
    """

    positions: Mapping[int, int]
    events: int
    since_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What one write changed. `rejected`: rows the database cannot hold; each left a pointer and a reason, never data."""

    upserted: int
    deleted: int
    rejected: int = 0


class Sink(Protocol):
    """Holds the rows of one grant's view and the positions they were read up to.

    Lifecycle: `open`, then `write` any number of times, then `close`. After a TransientError the sink may be closed and
    opened again; what `open` then returns is the truth about the write that failed, which may have been committed.
    Threads: a sink belongs to one thread at a time. Several sinks, in any number of processes, may share a database.
    Units: positions are Kafka offsets to read next; a topic that was never read is at 0.
    Errors: TransientError when the store is out of reach, locked or full: the runner closes, waits, opens and reads on
    from the positions held. PermanentError for everything that stays wrong: the runner stops this grant. Neither names a
    value of a record. A sink never retries by itself, because only the runner knows where to read on.
    """

    def open(self, view: View, *, rebuild: bool = False) -> Held:
        """Make the table and the positions ready, and return the positions held (one per partition of the origin).

        The sink remembers the view's `Origin`. Of an earlier generation it drops table and positions in the transaction
        that makes the new ones, so that no row of it lingers. It raises `Recreated` where the topic's id is another one,
        unless `rebuild` asks for the table to be emptied and filled anew, and `Overtaken` for a generation older than the
        one held.
        """
        ...

    def write(self, batch: Batch) -> Written:
        """Apply the batch's changes and advance its partitions in one transaction.

        A partition advances only from `Step.expected`; if it holds another position nothing is applied and `Zombie` is
        raised. A batch without records advances positions only. A key with a null in it is a PermanentError.
        """
        ...

    def rewind(self, positions: Mapping[int, int]) -> Held:
        """Set partitions back in one transaction, so that what stands from there on is read and applied again; what is held
        then. Called after `open`, before any `write`. Partitions that are not named stay where they are.

        `Held.since_ms` becomes now: the copy has had everything so far, so that old records it reads again are no absence.
        Rows are left as they are: each converges when the last event of its key is applied again. Never forward: a position
        beyond the one held, below 0, or of a partition there is not raises `NotBack` and changes nothing. A deliverer that
        holds the former positions is a `Zombie` from here on. `check_back` says what is wrong.
        """
        ...

    def close(self) -> None:
        """Give back connections and files. Never raises; may be called twice, and without `open`."""
        ...


@runtime_checkable
class Tended(Protocol):
    """A sink with work of its own between writes, such as closing a file that has become old enough."""

    def tend(self, *, ending: bool = False) -> None:
        """Do what is due. Called after `open`, after each poll, with a batch or without, at most some 250 ms apart, and with
        `ending` once before a `close` that no error caused. Raises what `write` raises."""
        ...


class RetryLater(TransientError):
    """The receiver itself says when to try again: the runner waits at least `wait_s` seconds, and then as for any other."""

    def __init__(self, what: Text, wait_s: float, *, where: str | None = None, hint: Text | None = None) -> None:
        super().__init__(what, where=where, hint=hint)
        self.wait_s = wait_s


class Zombie(PermanentError):
    """Another deliverer has moved this grant's positions: this one must not write any more."""

    def __init__(self, view: View, partition: int) -> None:
        super().__init__(
            Text(
                "another deliverer writes to the same sink; this one was rolled back and stops.",
                "另有投递进程正在写入同一目标; 本进程已回滚并停止。",
            ),
            where=f"{view.origin.topic}[{partition}]",
            hint=Text("Run one deliverer per grant and sink.", "每个授权与目标只应运行一个投递进程。"),
        )


class NotBack(PermanentError):
    """A replay would have moved a position forward: what lies between would never be delivered."""

    def __init__(self, view: View, partition: int, held: int | None) -> None:
        super().__init__(
            Text(
                "the sink has no such partition."
                if held is None
                else f"the sink has only come to offset {held}; it can be set back, never forward.",
                "目标中没有该分区。" if held is None else f"目标仅到位点 {held}; 只能回退, 不能前移。",
            ),
            where=f"{view.origin.topic}[{partition}]",
        )


class Recreated(PermanentError):
    """The topic was deleted and made anew: the positions held mean nothing in it."""

    def __init__(self, view: View) -> None:
        super().__init__(
            Text(
                "the topic was deleted and created again since this sink was filled.",
                "自上次写入后, 该主题已被删除并重建。",
            ),
            where=view.origin.topic,
            hint=Text("Deliver once with --rebuild to fill the table anew.", "请使用 --rebuild 重新投递以重建数据表。"),
        )


class Overtaken(PermanentError):
    """The sink already holds a later generation of the grant."""

    def __init__(self, view: View, held: int) -> None:
        super().__init__(
            Text(
                f"the sink holds generation {held} of this grant, which is newer than {view.origin.generation}.",
                f"目标中已是该授权的第 {held} 代, 新于第 {view.origin.generation} 代。",
            ),
            where=view.origin.topic,
        )


def must_refill(view: View, held: Origin | None, *, rebuild: bool) -> bool:
    """Whether `open` makes the table anew: for a new grant, a new generation, or because it was asked to.

    Raises `Recreated` or `Overtaken` where a sink must not go on.
    """
    if held is None:
        return True
    if held.generation > view.origin.generation:
        raise Overtaken(view, held.generation)
    if held.generation < view.origin.generation:
        return True
    if rebuild:
        return True
    if (held.topic, held.topic_id) != (view.origin.topic, view.origin.topic_id):
        raise Recreated(view)
    return False


def check_back(view: View, held: Mapping[int, int], positions: Mapping[int, int]) -> None:
    """For `rewind`: raises `NotBack` unless every position is of a partition held and lies between 0 and where that is."""
    for partition, position in positions.items():
        at = held.get(partition)
        if at is None or not 0 <= position <= at:
            raise NotBack(view, partition, at)
