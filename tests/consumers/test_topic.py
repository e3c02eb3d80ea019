"""A grant's topic under a reader that is reading it."""

from __future__ import annotations

from consumers.control import GrantWatch
from consumers.topic import GrantTopic
from schemas.errors import PermanentError
from tests.conftest import Cluster
from tests.kit.exchange_lab import within
from tests.kit.grant_feed import GrantFeed


def test_a_topic_made_anew_stops_its_reader_though_nobody_waits_for_the_answer(cluster: Cluster, unique: str) -> None:
    feed = GrantFeed(cluster.settings, unique)
    feed.open()
    with GrantWatch(cluster.settings) as watch:
        topic = GrantTopic(cluster.settings, watch.grant(feed.grant_id))

    def stopped() -> bool:
        try:
            topic.check_identity(ask=True)
        except PermanentError:
            return True
        return False

    try:
        topic.seek({0: 0})
        for _ in range(3):
            assert not stopped()
        feed.delete_topic()
        feed.create_topic()
        within(30, stopped)
    finally:
        topic.close()
