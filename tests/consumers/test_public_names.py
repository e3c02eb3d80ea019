"""What a department's program may import, name by name, and that importing the package loads nothing else."""

from __future__ import annotations

import subprocess
import sys

import consumers
from consumers import async_subscriber, position, received, subscriber
from schemas import change_event


def test_the_public_names_are_these() -> None:
    assert {name: getattr(consumers, name) for name in consumers.__all__} == {
        "AsyncSubscriber": async_subscriber.AsyncSubscriber,
        "Event": received.Event,
        "GenerationStarted": received.GenerationStarted,
        "GrantEnded": received.GrantEnded,
        "Op": change_event.Op,
        "Position": position.Position,
        "Subscriber": subscriber.Subscriber,
    }
    assert set(consumers.__all__) <= set(dir(consumers))


def test_importing_the_package_loads_no_library() -> None:
    asked = "import sys; before = set(sys.modules); import consumers; print(sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout
    assert "confluent_kafka" not in loaded
    assert "pyarrow" not in loaded
    assert "schemas" not in loaded
