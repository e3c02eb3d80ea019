"""What the policy says of a batch: what is released, and of every row why or why not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.codec.columns import empty_batch


class Outcome(IntEnum):
    """What became of one change event under one view."""

    EMITTED = 0
    FILTERED = 1
    """The row is not in the view, nor was it: by the filter, where unknown counts as no."""
    UNCHANGED = 2
    """No released field changed, and the subscriber has the row as it was."""
    NOT_VALID = 3
    """Outside the grant's validity."""
    FAILED = 4
    """Could not be judged or masked: withheld, a dead letter, and where the row may have been delivered, its delete."""

    @property
    def word(self) -> str:
        """Lower-case name, for metrics and people."""
        return self.name.lower()


class Failure(str, Enum):
    """Why a row failed. Names only: nothing of the row."""

    INCONSISTENT = "inconsistent"
    """The event contradicts itself: no row where its operation needs one, or a key that is not its row's."""
    MISSING_BEFORE = "missing_before"
    """An update without `before` whose row is not in the view: it may have been."""
    FILTER_FAILED = "filter_failed"
    MASK_FAILED = "mask_failed"


@dataclass(frozen=True, slots=True)
class Released:
    """The answer to one batch under one view.

    outcome     per input row, an `Outcome`
    events      view events in output order, laid out as the view's `arrow`
    source      per event, the input row it comes from
    kafka_keys  per event, the Kafka key (binary): the text of the view key
    deletes     per event, whether it is a delete, which a tombstone follows
    failed      input rows that failed, with the reason, ascending
    """

    outcome: npt.NDArray[np.int8]
    events: pa.RecordBatch
    source: npt.NDArray[np.int32]
    kafka_keys: Any
    deletes: npt.NDArray[np.bool_]
    failed: list[tuple[int, Failure]]


def nothing(schema: pa.Schema, outcome: npt.NDArray[np.int8], failed: list[tuple[int, Failure]]) -> Released:
    """An answer without events."""
    events = empty_batch(schema)
    none = np.zeros(0, np.int32)
    return Released(outcome, events, none, pa.array([], pa.binary()), none.astype(np.bool_), failed)


def joined(first: Released, second: Released) -> Released:
    """The answers to two consecutive batches as the answer to one."""
    offset = len(first.outcome)
    events: pa.RecordBatch = pa.concat_batches([first.events, second.events])  # type: ignore[attr-defined]
    return Released(
        np.concatenate((first.outcome, second.outcome)),
        events,
        np.concatenate((first.source, second.source + np.int32(offset))),
        pa.concat_arrays([first.kafka_keys, second.kafka_keys]),
        np.concatenate((first.deletes, second.deletes)),
        first.failed + [(row + offset, why) for row, why in second.failed],
    )
