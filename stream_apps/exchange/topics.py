"""Which output topics can be written: a missing one is seen before a record waits for it in the producer, and one whose
broker refuses what it is given is left out for a while, so that its neighbours go on (DESIGN 4.7)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from schemas.errors import TransientError
from schemas.text import Text

_AGAIN_S = 2.0
_FEW = 20
"""Topics that are asked for by name; more are found faster in the list of all."""
_NOT_THERE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED)
"""The second of a topic we may not even know of, which a list of all leaves out as well."""
_TIMEOUT_S = 5.0
_FEW_TIMEOUT_S = 1.5
_LEAVE_OUT_S = 5.0
_LEAVE_OUT_MAX_S = 300.0


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    times: int
    until: float


class KnownTopics:
    """Topics that were there when last looked. One thread at a time."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._known: dict[str, str] = {}
        """By name, their ids; "" of one that was only found in a list."""
        self._unidentified = float("-inf")
        """When an id was last asked for in vain."""
        self.news = 0
        """Grows whenever something else may be known than before."""
        self._looked = float("-inf")
        self._complained: frozenset[str] = frozenset()
        self._refusals: dict[str, _Refusal] = {}

    def unusable(self, topics: Iterable[str]) -> dict[str, str]:
        """Those that cannot be written now, with a word why. TransientError if the cluster does not answer."""
        now, asked = time.monotonic(), frozenset(topics)
        out = {t: r.reason for t, r in self._refusals.items() if t in asked and now < r.until}
        return out | dict.fromkeys(self._missing(asked), "no_topic")

    def refuse(self, refused: Mapping[str, str]) -> None:
        """Their broker refused what was written: leave them out for 5 s, twice as long each time it happens again."""
        for topic, reason in refused.items():
            before = self._refusals.get(topic)
            times = before.times + 1 if before else 0
            pause = min(_LEAVE_OUT_S * 2**times, _LEAVE_OUT_MAX_S)
            self._refusals[topic] = _Refusal(reason, min(times, 10), time.monotonic() + pause)

    def _missing(self, topics: frozenset[str]) -> frozenset[str]:
        """A known topic costs nothing; the absent are looked for again every 2 s."""
        unknown = topics - self._known.keys()
        news = unknown - self._complained
        if unknown and (news or time.monotonic() - self._looked > _AGAIN_S):
            few = len(unknown) <= _FEW
            found = self._described(unknown) if few else self._listed()
            if not few:
                self._known = {t: i for t, i in self._known.items() if t in found}
            self._learn(found)
            self._looked = time.monotonic()
            unknown -= self._known.keys()
        self._complained = unknown
        return unknown

    def ids(self, topics: Iterable[str]) -> dict[str, str]:
        """The ids of topics that are there, as far as the cluster tells them: one deleted and created again has another."""
        asked = [t for t in topics if t in self._known]
        nameless = frozenset(t for t in asked if not self._known[t])
        if nameless and time.monotonic() - self._unidentified > _AGAIN_S:
            self._learn(self._described(nameless))
            if not all(self._known[t] for t in nameless):
                self._unidentified = time.monotonic()
        return {t: found for t in asked if (found := self._known[t])}

    def _learn(self, found: Mapping[str, str]) -> None:
        """What is there, and more of it than before if an id was not known."""
        more = {t: i for t, i in found.items() if i or t not in self._known}
        if more.items() - self._known.items():
            self._known |= more
            self.news += 1

    def forget(self) -> None:
        """Something that was written was refused: look again before the next write."""
        self._known = {}
        self.news += 1
        self._complained = frozenset()

    def _listed(self) -> dict[str, str]:
        try:
            return dict.fromkeys(self._client.list_topics(timeout=_TIMEOUT_S).topics, "")
        except KafkaException as error:
            raise _silent() from error

    def _described(self, topics: frozenset[str]) -> dict[str, str]:
        """Those of a few topics that are there: a new grant's topic is no reason to list five thousand others. The question
        goes to one broker; if that has just died, another that lives can still list them all."""
        answers = self._client.describe_topics(TopicCollection(sorted(topics)), request_timeout=_FEW_TIMEOUT_S)
        out = {}
        for name, answer in answers.items():
            try:
                out[name] = str(answer.result().topic_id)
            except KafkaException as error:
                if error.args[0].code() not in _NOT_THERE:
                    return self._listed()
        return out


def _silent() -> TransientError:
    return TransientError(Text("the cluster does not say which topics exist.", "无法获取集群的主题列表。"))
