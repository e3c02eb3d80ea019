"""`python -m tests.chaos.publisher RESOURCE SEED RATE`: publishes a source of `model.py` through the bus's own runner until SIGTERM."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Sequence

from infra.runtime.settings import Settings
from producers.adapter import Batch, event_id
from producers.patience import Patience
from producers.publisher import Publisher
from producers.run import PublishReport, contract_in_force, now_ms, run
from schemas.change_event import ChangeEvent, Op
from schemas.contract import Contract
from schemas.errors import BusError
from tests.chaos.cast import BATCH
from tests.chaos.model import Source

ADAPTER = "chaos"


class SeededAdapter:
    """An adapter whose source is a generator: its position is the number of batches published."""

    def __init__(self, resource: str, seed: str, rate: float, stop: threading.Event) -> None:
        self.id, self.resource = ADAPTER, resource
        self._seed, self._pause, self._stop = seed, 1 / rate, stop

    def open(self, contract: Contract, position: str | None) -> None:
        """Go through what was published already: the generator is then where the publisher is."""
        self._done = int(position or 0)
        self._source = Source(self._seed)
        for _ in range(self._done):
            self._source.batch(BATCH)
        self._next_at = time.monotonic()

    def read(self) -> Batch | None:
        """The next batch when it is due."""
        if self._stop.wait(max(0.0, self._next_at - time.monotonic())):
            return None
        self._next_at += self._pause
        position = str(self._done + 1)
        events = [
            ChangeEvent(
                Op(change.op),
                {"id": change.key},
                change.before,
                change.after,
                event_id(ADAPTER, self.resource, position, n),
                ADAPTER,
                position,
            )
            for n, change in enumerate(self._source.batch(BATCH))
        ]
        return Batch(events, [None] * len(events), [], position)

    def prepare(self, accepted: Sequence[ChangeEvent], position: str) -> None:
        """Nothing is kept beside Kafka's own position."""

    def committed(self, position: str) -> None:
        """One batch more."""
        self._done = int(position)

    def close(self) -> None:
        """Nothing is held."""


def main(resource: str, seed: str, rate: str) -> None:
    """Publish until told to stop."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    settings = Settings()
    schema_id, contract = contract_in_force(settings, resource, None)
    patience = Patience(resource, time.sleep)
    run(
        lambda: SeededAdapter(resource, seed, float(rate), stop),
        lambda: Publisher(settings, ADAPTER, contract, schema_id, clock=now_ms),
        contract,
        PublishReport(ADAPTER, resource),
        patience,
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BusError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
