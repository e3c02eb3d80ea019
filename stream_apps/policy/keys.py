"""The secrets views are computed with. They are arguments: the policy keeps none and makes none up.

    master secret (custodian, one per key version)
      subscriber secret = H(master, "subscriber", subscriber)
        token key       = H(subscriber secret, "pseudonym", domain, meaning)    domain: the grant's purpose, or a joint one
        view key        = H(subscriber secret, "view-key", grant)               stands for row keys that may not be released
        seal key        = H(subscriber secret, "seal", grant)                   known to the subscriber: what `encrypt` seals with
        nonce key       = H(subscriber secret, "seal-nonce", grant)             never shared: it would open row keys by trying

H is HMAC under the version's suite over a JSON array, so that no two labels have one text.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field, replace

from schemas.clock import end_of_day_ms
from schemas.key_ring import KeyRing, MasterSecret, Suite

KEY_BYTES = 32

PREVIEW_KEY = b"exchange-bus preview, not secret"
"""The subscriber secret `bus preview` uses when it is given none: 32 bytes that everybody knows."""


@dataclass(frozen=True, slots=True)
class TokenKey:
    """What a column of tokens is made with: `VERSION-` and 32 hexadecimal digits of an HMAC."""

    version: int
    key: bytes = field(repr=False)
    suite: Suite = "sha256"


@dataclass(frozen=True, slots=True)
class ViewKeys:
    """The keys of one grant, never shown.

    secret    of the subscriber (32 bytes)
    previous  keys of the version before a rotation, while tokens made under it may still be joined
    until_ms  the last millisecond these keys may be used, if they are to end
    """

    secret: bytes = field(repr=False)
    grant: str
    version: int = 1
    suite: Suite = "sha256"
    previous: ViewKeys | None = None
    until_ms: int | None = None

    def at(self, at_ms: int) -> ViewKeys:
        """These keys at an instant: without the previous ones once their time is over."""
        old = self.previous
        return self if old is None or old.usable(at_ms) else replace(self, previous=None)

    def usable(self, at_ms: int) -> bool:
        """Whether anything may be made with these keys at an instant."""
        return self.until_ms is None or at_ms <= self.until_ms

    def token(self, domain: str, meaning: str) -> TokenKey:
        """For pseudonyms of values of one meaning, joinable within one domain and nowhere else."""
        return self._key("pseudonym", domain, meaning)

    def view_key(self) -> TokenKey:
        """For tokens that stand for row keys."""
        return self._key("view-key", self.grant)

    def seal(self) -> TokenKey:
        """Shared with the subscriber."""
        return self._key("seal", self.grant)

    def seal_nonces(self) -> TokenKey:
        """What nonces of sealed values are made with. Never shared: they are made of row keys, which whoever holds this could
        find by trying."""
        return self._key("seal-nonce", self.grant)

    def _key(self, *label: str) -> TokenKey:
        return TokenKey(self.version, _derive(self.secret, self.suite, *label), self.suite)


def derive_keys(ring: KeyRing, subscriber: str, grant: str, version: int) -> ViewKeys:
    """The keys of a grant under one version of the master secret. KeyError if the ring does not have it."""
    old = ring.before(version)
    previous = None if old is None else _of(old, subscriber, grant, None)
    return _of(ring.secrets[version], subscriber, grant, previous)


def _of(master: MasterSecret, subscriber: str, grant: str, previous: ViewKeys | None) -> ViewKeys:
    secret = _derive(master.secret, master.suite, "subscriber", subscriber)
    until = None if master.until is None else end_of_day_ms(master.until)
    return ViewKeys(secret, grant, master.version, master.suite, previous, until)


def _derive(key: bytes, suite: Suite, *label: str) -> bytes:
    text = json.dumps(["exchange-bus", *label], ensure_ascii=False, separators=(",", ":"))
    return hmac.digest(key, text.encode(), suite)


class Hmac:
    """HMAC of many values under one key, from the two keyed states made once.

    By the definition of HMAC (RFC 2104): H(key ^ opad, H(key ^ ipad, value)). About three times the pace of a call per
    value that keys itself anew. Both hashes have blocks of 64 bytes and digests of 32 (FIPS 180-4, GB/T 32905).
    """

    def __init__(self, key: bytes, suite: Suite = "sha256") -> None:
        block = key.ljust(64, b"\0") if len(key) <= 64 else hashlib.new(suite, key).digest().ljust(64, b"\0")
        self._inner = hashlib.new(suite, bytes(b ^ 0x36 for b in block))
        self._outer = hashlib.new(suite, bytes(b ^ 0x5C for b in block))

    def digests(self, values: list[bytes]) -> bytes:
        """The digests (32 bytes each) of `values`, one after the other."""
        inner_copy, outer_copy = self._inner.copy, self._outer.copy
        out: list[bytes] = []
        put = out.append
        for value in values:
            inner = inner_copy()
            inner.update(value)
            outer = outer_copy()
            outer.update(inner.digest())
            put(outer.digest())
        return b"".join(out)
