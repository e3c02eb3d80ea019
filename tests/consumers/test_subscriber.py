"""A program reads a grant on a real broker: in order, from where it stopped, through amendments, to a clear end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException

from consumers import Event, GenerationStarted, GrantEnded, Op, Position, Subscriber
from infra.control import revoke
from infra.runtime.policy_log import append
from infra.runtime.settings import Settings
from schemas.errors import BusError, ConfigError, PermanentError, TransientError
from schemas.policy_log import GrantEnded as EndedInLog
from tests.conftest import Cluster
from tests.kit.grant_feed import GrantFeed
from tests.kit.relay import Relay

Open = Callable[..., Subscriber]


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique)
    made.open()
    return made


@pytest.fixture
def program(feed: GrantFeed, tmp_path: Path) -> Open:
    """A program with a ledger of its own, that ends when it has caught up unless told otherwise."""

    def make(**more: Any) -> Subscriber:
        if "start" not in more or more["start"] == "beginning":
            more = {"ledger": tmp_path / "own.ledger"} | more
        return Subscriber(feed.grant_id, **({"settings": feed.settings, "until": "caught_up"} | more))

    return make


def keys(received: list[Any]) -> list[str]:
    return [e.key["id"] for e in received if isinstance(e, Event)]


def read(subscriber: Subscriber, *, acknowledge: bool = False) -> list[Any]:
    with subscriber as events:
        out = list(events)
        if acknowledge:
            events.acknowledge_all()
        return out


def test_changes_come_typed_and_in_order_behind_the_beginning_of_their_generation(
    feed: GrantFeed, program: Open
) -> None:
    feed.send([("c", "1", {"name": "甲", "amount": 5}), ("u", "1", {"name": "乙"}), ("d", "1", None)])
    started, created, updated, deleted = read(program())
    assert isinstance(started, GenerationStarted)
    assert (started.reason, started.generation, started.grant) == ("first", 1, feed.grant_id)
    assert started.fields == {"id": "字段 id", "name": "字段 name", "amount": "字段 amount"}
    assert (created.op, created.key, created.after) == (Op.CREATE, {"id": "1"}, {"id": "1", "name": "甲", "amount": 5})
    assert (updated.op, updated.after["name"], updated.before) == (Op.UPDATE, "乙", None)
    assert (deleted.op, deleted.after, tuple(deleted.place)) == (Op.DELETE, None, (0, 2))
    assert abs(created.released_at - time.time() * 1000) < 60_000


def test_what_is_printed_by_accident_holds_no_content(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "520102", {"name": "甲"})])
    assert "520102" not in repr(read(program()))


def test_what_was_acknowledged_does_not_come_again_and_the_rest_does(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", str(i), None) for i in range(6)])
    with program() as events:
        for event in islice(events, 4):  # the beginning, and three events
            event.acknowledge()
        handed = keys(list(events))
    assert handed == ["3", "4", "5"], "leaving a loop loses nothing"
    assert keys(read(program())) == ["3", "4", "5"]
    assert keys(read(program(), acknowledge=True)) == ["3", "4", "5"]
    feed.send([("c", "6", None)])
    assert keys(read(program())) == ["6"]


def test_acknowledging_an_event_acknowledges_what_stands_before_it_in_its_partition_only(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    feed = GrantFeed(cluster.settings, unique, partitions=2)
    feed.open()
    feed.send([("c", k, None) for k in "0123"])

    def again() -> Subscriber:
        return Subscriber(feed.grant_id, settings=feed.settings, ledger=tmp_path / "l", until="caught_up")

    with again() as events:
        found = {e.key["id"]: e for e in events if isinstance(e, Event)}
        events.acknowledge(found["2"])
    assert sorted(keys(read(again()))) == ["1", "3"]
    with again() as events:
        events.acknowledge(found["0"])  # further back than what is held: nothing moves
    assert sorted(keys(read(again()))) == ["1", "3"]


def test_until_something_is_acknowledged_the_beginning_is_told_again(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    assert [type(i) for i in read(program())] == [type(i) for i in read(program())] == [GenerationStarted, Event]
    with program() as events:
        next(events).acknowledge()
    assert [type(i) for i in read(program())] == [Event]


def test_the_tombstone_behind_a_delete_is_part_of_it_and_one_alone_is_a_delete(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None), ("d", "1", None)])
    feed._producer.begin_transaction()
    feed._produce(None, b"2", 0)
    feed._producer.commit_transaction(20)
    with program() as events:
        _, _, deleted, alone = list(events)
        deleted.acknowledge()
    assert (deleted.op, alone.op, alone.key, alone.released_at) == (Op.DELETE, Op.DELETE, {"id": "2"}, None)
    assert keys(read(program())) == ["2"], "the tombstone was acknowledged with its delete"


def test_a_position_kept_by_the_program_is_where_it_goes_on_and_no_ledger_is_made(
    feed: GrantFeed, program: Open, tmp_path: Path
) -> None:
    feed.send([("c", str(i), None) for i in range(4)])
    with program(start="", settings=Settings(**_addresses(feed), home=tmp_path / "home")) as events:
        stored = [str(e.position) for e in islice(events, 3)]
    assert keys(read(program(start=stored[2]))) == ["2", "3"]
    assert keys(read(program(start=Position.parse(stored[0])))) == ["0", "1", "2", "3"]
    assert not (tmp_path / "home").exists()
    with program(start=stored[2]) as events, pytest.raises(ConfigError, match="keeps its positions itself"):
        next(events).acknowledge()


def _addresses(feed: GrantFeed) -> dict[str, Any]:
    return {"bootstrap_servers": feed.settings.bootstrap_servers, "registry_url": feed.settings.registry_url}


def test_a_grant_that_ends_is_the_last_thing_told_and_no_exception(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    with program(until="ended") as events:
        assert [type(next(events)), type(next(events))] == [GenerationStarted, Event]
        events.acknowledge_all()
        append(
            feed.settings,
            [
                EndedInLog(
                    grant=feed.grant_id, generation=1, reason="revoked", destroy_by=date(2027, 1, 10), at=7, by="t"
                )
            ],
        )
        feed.fence()
        (ended,) = list(events)
        assert list(events) == []
    assert isinstance(ended, GrantEnded)
    assert (ended.reason, ended.at, ended.cut_off, ended.destroy_by) == ("revoked", 7, False, date(2027, 1, 10))
    assert "bus destroyed" in ended.message.en
    (again,) = read(program())
    assert (again.reason, again.cut_off) == ("revoked", False), "everything had been acknowledged"


def test_what_was_read_ahead_when_a_grant_ends_is_not_handed_out_and_that_is_said(
    feed: GrantFeed, program: Open
) -> None:
    feed.send([("c", str(i), None) for i in range(500)])
    with program(until="ended") as events:
        list(islice(events, 11))
        feed.end()
        wait_until(lambda: events._feed is not None and events._feed.look(1))
        rest = list(events)
    assert [type(i) for i in rest] == [GrantEnded]
    assert rest[0].cut_off
    assert "can be read no longer" in rest[0].message.en


def test_a_purged_topic_of_a_grant_that_has_ended_is_an_end_too(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    revoke(feed.settings, feed.grant_id)
    (ended,) = [i for i in read(program()) if not isinstance(i, GenerationStarted)]
    assert (ended.reason, ended.cut_off) == ("revoked", True)
    feed.delete_topic()
    (ended,) = read(program())
    assert (ended.reason, ended.cut_off) == ("revoked", True)


def test_an_amended_grant_is_followed_and_its_new_generation_announced(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "old", None)])
    with program(until="ended") as events:
        first = [next(events), next(events)]
        fence = feed.ends()
        feed.fields = feed.fields[:2]
        feed.open()
        feed.fence(1, fence)
        feed.send([("r", "new", None)])
        started, event = next(events), next(events)
        event.acknowledge()
        first[1].acknowledge()  # of the copy that was replaced: changes nothing
    assert (started.reason, started.generation, list(started.fields)) == ("amended", 2, ["id", "name"])
    assert (event.key, event.position.generation) == ({"id": "new"}, 2)
    assert read(program()) == []


def test_a_generation_that_began_while_the_program_was_away_is_announced(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    read(program(), acknowledge=True)
    append(feed.settings, [EndedInLog(grant=feed.grant_id, generation=1, reason="suspended", at=1, by="test")])
    feed.fence()
    (ended,) = read(program())
    assert ended.reason == "suspended"
    feed.open()
    feed.send([("r", "1", None)])
    started, event = read(program())
    assert (started.reason, started.generation, event.key) == ("resumed", 2, {"id": "1"})


def test_a_topic_made_anew_is_refused_until_the_program_asks_for_the_beginning(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    read(program(), acknowledge=True)
    feed.delete_topic()
    wait_until(lambda: created(feed))
    feed.send([("c", "2", None)])
    with pytest.raises(PermanentError, match='start="beginning"'):
        read(program())
    started, event = read(program(start="beginning"), acknowledge=True)
    assert (started.reason, event.key) == ("rebuilt", {"id": "2"})
    assert read(program()) == []


def test_a_position_whose_records_are_gone_is_refused_with_the_way_out(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    (*_, event) = read(program())
    far = event.position.past(0, 99)
    with pytest.raises(PermanentError, match='start="beginning"'):
        read(program(start=far))


def test_a_second_program_with_the_same_ledger_is_refused_and_the_first_goes_on(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    with program() as events:
        with pytest.raises(ConfigError, match="another program reads with this ledger"):
            program().__enter__()
        assert len(list(events)) == 2
        events.acknowledge_all()
    assert read(program()) == []


def test_an_unknown_grant_is_told_at_once(cluster: Cluster, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="there is no grant"),
        Subscriber("nobody.nothing.1", settings=cluster.settings, ledger=tmp_path / "l") as events,
    ):
        next(events)


def test_a_subscriber_is_used_once_and_in_a_with_statement(program: Open) -> None:
    once = program()
    with pytest.raises(RuntimeError, match="with statement"):
        next(once)
    read(once)
    with pytest.raises(RuntimeError, match="used once"):
        read(once)


def test_another_threads_stop_ends_the_loop_without_an_end_of_the_grant(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    with program(until="ended") as events:
        timer = threading.Timer(0.5, events.stop)
        timer.start()
        assert [type(i) for i in events] == [GenerationStarted, Event]
        timer.join()


def test_a_cluster_out_of_reach_is_told_and_tried_again_until_it_answers(
    feed: GrantFeed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Here it never answers; who is told gives up."""
    told: list[tuple[BusError, float]] = []

    def trouble(error: TransientError, wait_s: float) -> None:
        told.append((error, wait_s))
        if len(told) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("infra.runtime.log.METADATA_TIMEOUT_S", 0.3)
    nowhere = Settings(home=tmp_path, bootstrap_servers="127.0.0.1:1", registry_url="http://127.0.0.1:1")
    with Subscriber(feed.grant_id, settings=nowhere, on_trouble=trouble) as events, pytest.raises(KeyboardInterrupt):
        next(events)
    assert [type(error) for error, _ in told] == [TransientError, TransientError]
    assert "Tried again in" in caplog.text
    assert (tmp_path / "subscriptions" / f"{feed.grant_id}.ledger").stat().st_mode & 0o777 == 0o600


def test_a_registry_out_of_reach_is_waited_for_and_nothing_is_lost(feed: GrantFeed, program: Open) -> None:
    feed.send([("c", "1", None)])
    relay = Relay(str(feed.settings.registry_url))
    troubles: list[str] = []

    def trouble(error: TransientError, wait_s: float) -> None:
        troubles.append(str(error))
        if len(troubles) == 2:
            relay.start()

    through = feed.settings.model_copy(update={"registry_url": relay.address})
    try:
        assert keys(read(program(settings=through, on_trouble=trouble))) == ["1"]
    finally:
        relay.stop()
    assert len(troubles) >= 2


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def created(feed: GrantFeed) -> bool:
    """Make the topic; not before the broker has forgotten the one deleted."""
    try:
        feed.create_topic()
    except KafkaException:
        return False
    return True


def test_a_program_away_too_long_is_given_everything_again_after_a_generation_started(
    feed: GrantFeed, tmp_path: Path
) -> None:
    feed.send([("c", "1", None)])
    feed.send([("c", "2", None)])
    with Subscriber(feed.grant_id, settings=feed.settings, ledger=tmp_path / "x", until="caught_up") as events:
        _, first, _ = events
        first.acknowledge()
    time.sleep(1.0)  # what was left unread is a second old then, whatever the machine does
    impatient = feed.settings.model_copy(update={"tolerated_outage_s": 1})
    with Subscriber(feed.grant_id, settings=impatient, ledger=tmp_path / "x", until="caught_up") as events:
        started, *rest = events
        events.acknowledge_all()
    assert isinstance(started, GenerationStarted) and started.reason == "rebuilt"
    assert [e.key["id"] for e in rest if isinstance(e, Event)] == ["1", "2"]
    with Subscriber(feed.grant_id, settings=feed.settings, ledger=tmp_path / "x", until="caught_up") as events:
        assert list(events) == []
