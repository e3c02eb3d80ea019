"""A record that kills whatever process decodes it, as a crash of native code would."""

from __future__ import annotations

import os
from pathlib import Path


def poisoned_by(word: str, *, slow_s: float = 0.0) -> dict[str, str]:
    """Environment of a Python process, and of every one it starts, that is killed (SIGKILL) by decoding a change event whose
    bytes hold `word`. Python itself imports `sitecustomize` from the folder when it starts.

    slow_s  how long it takes to decode several events at once, so that a test can meet it at that
    """
    folder = str(Path(__file__).parent)
    before = os.environ.get("PYTHONPATH")
    return {
        "POISON": word,
        "POISON_SLOW_S": str(slow_s),
        "PYTHONPATH": os.pathsep.join([folder, before] if before else [folder]),
    }
