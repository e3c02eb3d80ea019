"""The text committed with every offset: what the next owner of a partition must know, and what proves an epoch passed.

e       policy epoch the commit was made under
t       transactional.id of the worker (what a revocation shuts out if it stays silent)
live    grants opened up to this epoch are live here; later ones first replay the partition's history
replay  {"g": [...], "at": n}: the grants (by the epoch that opened them) being replayed, and the next offset to read
off     grants (by opening epoch) that missed records while they were withheld: they are replayed when they return
s       since when all that is still unread was written, in seconds since 1970 UTC (`outage`)
lost    grants opened up to this epoch have lost track of their rows, and get nothing any more
gaps    keyed hashes of keys whose last event could not be processed for every view. More than 64 at once become "*": any
        key may be one. "*" is never cleared: from then on this partition emits every update, also unchanged ones
signs   of the grants that are live here and their topics (`same_topics`); absent if not known, or if there are too many
retried epoch of the last order to judge dead letters again that was carried out here
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace

ANY = "*"
MAX_GAPS = 64
MAX_OFF = 100
MAX_SIGNS = 200


@dataclass(frozen=True, slots=True)
class Replaying:
    """A replay under way: opening epochs of its grants, and the offset it has come to."""

    grants: frozenset[int]
    at: int


@dataclass(frozen=True, slots=True)
class Mark:
    """What a partition's owner committed last (`epoch` -1 and `transaction` None: nothing of ours)."""

    epoch: int = -1
    transaction: str | None = None
    live: int = -1
    replay: Replaying | None = None
    off: frozenset[int] = frozenset()
    gaps: frozenset[str] = frozenset()
    since: int = 0
    """0: not known."""
    lost: int = -1
    retried: int = -1
    signs: frozenset[str] | None = None

    def text(self) -> str:
        """Compact JSON, well below the broker's 4,096 bytes. What does not fit is widened, never forgotten: too many gaps
        become "any key", too many missed grants become "none is live"."""
        out: dict[str, object] = {"e": self.epoch, "t": self.transaction, "live": self.live}
        if len(self.off) > MAX_OFF:
            out["live"] = -1
        elif self.off:
            out["off"] = sorted(self.off)
        if self.replay is not None and len(self.replay.grants) <= MAX_OFF:
            out["replay"] = {"g": sorted(self.replay.grants), "at": self.replay.at}
        if self.since:
            out["s"] = self.since
        if self.lost >= 0:
            out["lost"] = self.lost
        if self.gaps:
            out["gaps"] = [ANY] if ANY in self.gaps or len(self.gaps) > MAX_GAPS else sorted(self.gaps)
        if self.retried >= 0:
            out["retried"] = self.retried
        if self.signs is not None and len(self.signs) <= MAX_SIGNS:
            out["signs"] = "".join(sorted(self.signs))
        return json.dumps(out, separators=(",", ":"))

    def with_gaps(self, gaps: Collection[str]) -> Mark:
        """This mark with other gaps; more than fit mean any key."""
        return replace(self, gaps=frozenset([ANY]) if ANY in gaps or len(gaps) > MAX_GAPS else frozenset(gaps))


def read_mark(text: str) -> Mark:
    """The mark in a text. One that is not ours tells nothing, so no grant counts as live and any key as a gap."""
    unknown = Mark(gaps=frozenset([ANY]))
    try:
        said = json.loads(text)
        replay = said.get("replay")
        return Mark(
            int(said["e"]),
            str(said["t"]),
            int(said["live"]),
            None if replay is None else Replaying(frozenset(map(int, replay["g"])), int(replay["at"])),
            frozenset(map(int, said.get("off", ()))),
            frozenset(map(str, said.get("gaps", ()))),
            int(said.get("s", 0)),
            int(said.get("lost", -1)),
            int(said.get("retried", -1)),
            _signs(said.get("signs")),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return unknown


def _signs(text: str | None) -> frozenset[str] | None:
    """Four characters each."""
    return None if text is None else frozenset(text[i : i + 4] for i in range(0, len(text), 4))
