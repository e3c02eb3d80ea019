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
from dataclasses import replace
from functools import lru_cache

from stream_apps.exchange import telemetry
from stream_apps.exchange.marks import Mark
from stream_apps.exchange.standing import Standing
from stream_apps.exchange.tools import Topics
from stream_apps.exchange.views import Lane
from stream_apps.transport.unit import Place

_BYTES = 3
"""With 200 grants, one topic made anew in 80,000 is taken for the old one."""


@lru_cache(10_000)
def sign(opened: int, topic_id: str) -> str:
    """Four characters for a grant (by its opening epoch) and the topic it was written to."""
    return urlsafe_b64encode(hashlib.sha256(f"{opened}:{topic_id}".encode()).digest()[:_BYTES]).decode()


def compare(place: Place, standing: Standing, lanes: Sequence[Lane], topics: Topics) -> None:
    """Note those grants as `off` that are live by the mark, but not in the topics that now have their names. `lanes`: all that
    can be written.

    Under the lock, before anything is judged for them. Costs nothing while nothing new is known of topics. A topic whose id
    the cluster does not tell is not judged, nor is anything by a mark without signs. TransientError.
    """
    if standing.compared == topics.news or standing.next <= standing.begin:
        return
    ids, mark = topics.ids([v.grant.topic for v in lanes]), standing.mark
    if mark.signs is not None:
        live = _live(mark, lanes, ids)
        lacking = frozenset(
            o for o, topic_id in live.items() if topic_id and not {sign(o, topic_id), sign(o, "")} & mark.signs
        )
        if lacking:
            telemetry.topics_made_anew(place, len(lacking))
            standing.mark = replace(mark, off=mark.off | lacking)
    if len(ids) == len(lanes):
        standing.compared = topics.news


def signed(standing: Standing, mark: Mark, lanes: Sequence[Lane], topics: Topics) -> Mark:
    """The mark with the signs of all that is live by it. While a topic's id is not known, or what was live has not been
    compared, the former signs are kept; what has become live since then is signed too, and where its id is not known for any
    topic, or it would be given the history again. TransientError."""
    ids = topics.ids([v.grant.topic for v in lanes])
    live, before = _live(mark, lanes, ids), _live(standing.mark, lanes, ids)
    if all(live.values()) and (standing.compared == topics.news or standing.next <= standing.begin):
        return replace(mark, signs=frozenset(sign(o, topic_id) for o, topic_id in live.items()))
    if mark.signs is None:
        return mark
    return replace(mark, signs=mark.signs | {sign(o, live[o]) for o in live.keys() - before.keys()})


def _live(mark: Mark, lanes: Sequence[Lane], ids: Mapping[str, str]) -> dict[int, str]:
    """By opening epoch, the id of the topic; "" if it is not known."""
    opened = {v.grant.opened: v.grant.topic for v in lanes}
    return {o: ids.get(t, "") for o, t in opened.items() if mark.lost < o <= mark.live and o not in mark.off}
