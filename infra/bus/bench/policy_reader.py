"""A process that reads the control log once and says what that took: `python -m infra.bus.bench.policy_reader`."""

from __future__ import annotations

import json
import sys
import time

import psutil

from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings

_PATIENCE_S = 120.0


def main() -> None:
    """One line of JSON: seconds (by the clock, and of this process), MiB the state takes, and what is in force."""
    me = psutil.Process()
    with PolicyReader(Settings().located()) as reader:
        before, began, worked = me.memory_info().rss, time.perf_counter(), time.process_time()
        state = reader.read_to_end(timeout_s=_PATIENCE_S)
        found = {
            "seconds": round(time.perf_counter() - began, 3),
            "cpu_seconds": round(time.process_time() - worked, 3),
            "memory_mib": round((me.memory_info().rss - before) / 2**20, 1),
            "resources": len(state.contracts),
            "grants": sum(map(len, state.live.values())),
            "events": reader.next_offset,
        }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
