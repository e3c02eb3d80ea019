"""Which output topics exist, so that a missing one is seen before a record waits 5 s for it in the producer."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from schemas.errors import TransientError
from schemas.text import Text

_AGAIN_S = 2.0
_TIMEOUT_S = 5.0


class KnownTopics:
    """Topics that were there when last looked. One thread at a time."""

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._known: frozenset[str] = frozenset()
        self._looked = float("-inf")
        self._complained: frozenset[str] = frozenset()

    def missing(self, topics: Iterable[str]) -> frozenset[str]:
        """Those that do not exist. A known topic costs nothing; the absent are looked for again every 2 s."""
        unknown = frozenset(topics) - self._known
        news = unknown - self._complained
        if unknown and (news or time.monotonic() - self._looked > _AGAIN_S):
            self._look()
            unknown -= self._known
        self._complained = unknown
        return unknown

    def forget(self) -> None:
        """Something that was written was refused: look again before the next write."""
        self._known = frozenset()
        self._complained = frozenset()

    def _look(self) -> None:
        try:
            self._known = frozenset(self._client.list_topics(timeout=_TIMEOUT_S).topics)
        except KafkaException as error:
            raise TransientError(
                Text("the cluster does not say which topics exist.", "无法获取集群的主题列表。")
            ) from error
        self._looked = time.monotonic()
