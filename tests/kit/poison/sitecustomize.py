"""Imported by Python as it starts, where `poisoned_by` says so."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from typing import Any

from schemas.codec import ChangeDecoder

_WORD = os.environ["POISON"].encode()
_SLOW_S = float(os.environ["POISON_SLOW_S"])
_decode = ChangeDecoder.decode


def _deadly(self: ChangeDecoder, values: Sequence[bytes]) -> Any:
    if any(_WORD in value for value in values):
        os.kill(os.getpid(), signal.SIGKILL)
    if len(values) > 1:
        time.sleep(_SLOW_S)
    return _decode(self, values)


ChangeDecoder.decode = _deadly  # type: ignore[method-assign]
