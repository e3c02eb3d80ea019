"""Keys after whose last event a subscriber may be behind, as short keyed hashes that reveal no key.

The next event of such a key is never suppressed as `unchanged`. A collision only emits what is true once more.

A hash says under which version of the master key it was made, by the beginning of that version's fingerprint. New ones are
made under the current version, old ones are found as long as their version is in the ring; one whose version is gone could be
any key's, so every key counts as behind then.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.key_ring import KeyRing
from stream_apps.exchange.marks import ANY

_DIGITS, _NAME = 8, 6


class KeyHash:
    """Hashes raw Kafka keys under keys of its own, derived from the master keys: `a1b2c3-5f0c1a2b`."""

    def __init__(self, ring: KeyRing) -> None:
        self.renew(ring)

    def renew(self, ring: KeyRing) -> None:
        """From now on under these keys."""
        made = {v: (s.fingerprint[:_NAME], _derived(s.secret)) for v, s in ring.secrets.items()}
        self._held = made[ring.current][0], dict(made.values())  # at once: history is judged beside a renewal

    def __call__(self, key: bytes) -> str:
        current, keys = self._held
        return _under(keys, current, key)

    def readable(self, gaps: Collection[str]) -> Collection[str]:
        """The gaps, or `ANY` if one was hashed under a key that is not here."""
        keys = self._held[1]
        return gaps if all(g == ANY or g[:_NAME] in keys for g in gaps) else frozenset([ANY])

    def made_under(self, gaps: Collection[str]) -> frozenset[str]:
        """The names of the keys that gaps (readable ones) were hashed under."""
        return frozenset(gap[:_NAME] for gap in gaps)

    def hashes(self, key: bytes, names: Collection[str]) -> list[str]:
        """The hashes of a raw key under each of some keys."""
        keys = self._held[1]
        return [_under(keys, name, key) for name in names]


def _under(keys: Mapping[str, bytes], name: str, key: bytes) -> str:
    return f"{name}-{hmac.new(keys[name], key, hashlib.sha256).hexdigest()[:_DIGITS]}"


def _derived(master: bytes) -> bytes:
    return hmac.digest(master, b"exchange-bus gaps\0", "sha256")


@dataclass(slots=True)
class GapWatch:
    """The gaps of one partition while one slice of it is judged. `keys`: the Kafka key of each record of the slice.

    `before` must be `KeyHash.readable`.
    """

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
        before, names = frozenset(self.before), self.hashed.made_under(self.before)
        behind = {key for key in set(self.keys) if not before.isdisjoint(self.hashed.hashes(key, names))} | doubtful
        return np.array([self.keys[i] not in behind for i in records.tolist()], bool)

    def after(self, faulty: Collection[int]) -> frozenset[str]:
        """The gaps once the slice is committed: a key leaves when its last record was no fault."""
        if ANY in self.before:
            return frozenset([ANY])
        if not self.before and not faulty:
            return frozenset()
        wrong = set(faulty)
        last = {key: i for i, key in enumerate(self.keys)}
        now = {self.hashed(key) for key, i in last.items() if i in wrong}
        names = self.hashed.made_under(self.before)
        seen = {gap for key in last for gap in self.hashed.hashes(key, names)}
        return frozenset(now | (set(self.before) - seen))
