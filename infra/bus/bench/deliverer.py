"""`python -m infra.bus.bench.deliverer GRANT=SINK …`: many deliveries in one process, until it is asked to stop."""

from __future__ import annotations

import sys
import threading

from consumers.deliver import deliver_many
from infra.bus.process import stop_on_signals
from infra.runtime import logs
from infra.runtime.settings import Settings
from schemas.errors import BusError


def main(arguments: list[str]) -> int:
    """The number of deliveries that failed."""
    logs.configure(json=True)
    stop = threading.Event()
    pairs = [(grant, sink) for grant, _, sink in (a.partition("=") for a in arguments)]
    with stop_on_signals(stop.set):
        outcomes = deliver_many(Settings().located(), pairs, stop=stop)
    return sum(isinstance(outcome, BusError) for outcome in outcomes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
