"""Whether a grant's topic is still the one that has its history. One that was deleted and created again has the same name, and
another id: it lacks all that was written before.

A mark keeps a sign for each grant that is live on its partition, a short hash of its opening epoch and its topic's id. A grant
whose sign is not among them is given the history again, like one whose topic was missing. Signs of grants that have ended
disturb nothing, so nobody need know whose they are.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from functools import lru_cache

from stream_apps.exchange.marks import Mark
from stream_apps.exchange.views import Lane

_BYTES = 3
"""With 200 grants, one topic made anew in 80,000 is taken for the old one."""


@lru_cache(10_000)
def sign(opened: int, topic_id: str) -> str:
    """Four characters for a grant (by its opening epoch) and the topic it was written to."""
    return urlsafe_b64encode(hashlib.sha256(f"{opened}:{topic_id}".encode()).digest()[:_BYTES]).decode()


def remade(mark: Mark, lanes: Sequence[Lane], ids: Mapping[str, str]) -> frozenset[int]:
    """Opening epochs of the grants that are live by the mark, but not in the topics that now have their names. A topic whose
    id is not known is not judged, nor is anything by a mark without signs."""
    signs = mark.signs
    if signs is None:
        return frozenset()
    return frozenset(
        o for o, topic_id in _live(mark, lanes, ids).items() if topic_id and sign(o, topic_id) not in signs
    )


def signed(mark: Mark, lanes: Sequence[Lane], ids: Mapping[str, str]) -> frozenset[str]:
    """The signs of all that is live by the mark. Where an id is not known, those before are kept."""
    live = _live(mark, lanes, ids)
    kept = frozenset[str]() if all(live.values()) else mark.signs or frozenset()
    return kept | {sign(opened, topic_id) for opened, topic_id in live.items() if topic_id}


def _live(mark: Mark, lanes: Sequence[Lane], ids: Mapping[str, str]) -> dict[int, str]:
    """By opening epoch, the id of the topic; "" if it is not known."""
    opened = {v.grant.opened: v.grant.topic for v in lanes}
    return {o: ids.get(t, "") for o, t in opened.items() if mark.lost < o <= mark.live and o not in mark.off}
