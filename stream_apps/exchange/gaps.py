"""Keys after whose last event a subscriber may be behind, as short keyed hashes that reveal no key.

The next event of such a key is never suppressed as `unchanged`. A collision only emits what is true once more.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stream_apps.exchange.marks import ANY

_DIGITS = 8


class KeyHash:
    """Hashes raw Kafka keys under a key of its own, derived from the master key."""

    def __init__(self, master: bytes) -> None:
        self._key = hmac.digest(master, b"exchange-bus gaps\0", "sha256")

    def __call__(self, key: bytes) -> str:
        return hmac.new(self._key, key, hashlib.sha256).hexdigest()[:_DIGITS]


@dataclass(slots=True)
class GapWatch:
    """The gaps of one partition while one slice of it is judged. `keys`: the Kafka key of each record of the slice."""

    before: Collection[str]
    keys: Sequence[bytes]
    hashed: KeyHash

    def known(self, records: npt.NDArray[np.int32], faulty: Collection[int]) -> npt.NDArray[np.bool_] | None:
        """For each record whether its predecessor was surely processed; None if all were.

        Records of a key that is faulty anywhere in the slice count as unknown throughout it.
        """
        if ANY in self.before:
            return np.zeros(len(records), bool)
        doubtful = {self.keys[i] for i in faulty}
        if not self.before:
            return None if not doubtful else np.array([self.keys[i] not in doubtful for i in records.tolist()], bool)
        return np.array(
            [self.keys[i] not in doubtful and self.hashed(self.keys[i]) not in self.before for i in records.tolist()],
            bool,
        )

    def after(self, faulty: Collection[int]) -> frozenset[str]:
        """The gaps once the slice is committed: a key leaves when its last record was no fault."""
        if ANY in self.before:
            return frozenset([ANY])
        if not self.before and not faulty:
            return frozenset()
        wrong = set(faulty)
        last = {key: i for i, key in enumerate(self.keys)}
        now = {self.hashed(key) for key, i in last.items() if i in wrong}
        seen = {self.hashed(key) for key in last} if self.before else set()
        return frozenset(now | (set(self.before) - seen))
