"""A wall clock that jumps, for one Python process, set from outside while it runs. Monotonic time goes on as it does.

Python's `time.time` and `time.time_ns` are what the bus reads; librdkafka's own clock, which dates records, stays right. (Debian's
libfaketime 0.9.10 would reach both, but with monotonic time left alone `time.sleep` fails and waits on conditions hang.)
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


class WrongClock:
    """The clock of the Python processes started with `environment`. It is right until `jump`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump(0)
        folder = str(Path(__file__).parent)
        before = os.environ.get("PYTHONPATH")
        self.environment: Mapping[str, str] = {
            "WRONG_CLOCK": str(file),
            "PYTHONPATH": os.pathsep.join([folder, before] if before else [folder]),
        }

    def jump(self, seconds: float) -> None:
        """Within 100 ms the clock is wrong by so much."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.replace(self._file)
