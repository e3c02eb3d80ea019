"""`python -m tests.chaos.deliverer GRANT SINK [GRANT SINK …]`: delivers until SIGTERM, and again where it stopped. Exit code 1 if
a delivery ended with an error."""

from __future__ import annotations

import signal
import sys
import threading

from consumers.deliver import deliver_many
from infra.runtime.logs import configure
from infra.runtime.settings import Settings
from schemas.errors import BusError


def main(arguments: list[str]) -> int:
    """Deliver all pairs."""
    configure(json=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    pairs = list(zip(arguments[::2], arguments[1::2], strict=True))
    outcomes = deliver_many(Settings(), pairs, stop=stop)
    errors = [o for o in outcomes if isinstance(o, BusError)]
    for error in errors:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
