"""A grant's topic that was deleted and created again has its old name, and is given the history again."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.control.topics import create, delete, of_grant, partition_counts
from infra.runtime.kafka import admin
from schemas.ids import grant_topic
from stream_apps.exchange.marks import MAX_GAPS, MAX_OFF, MAX_SIGNS, Mark, Replaying, read_mark
from stream_apps.exchange.outbox import Aborted
from stream_apps.exchange.same_topics import sign
from stream_apps.exchange.topics import KnownTopics
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, row, worker
from tests.stream_apps.exchange.test_backfill import Scene


@pytest.fixture
def scene() -> Scene:
    """Two grants, `s.g` and `s.h`, that had a hundred records."""
    made = Scene()
    made.topics = [made.bench.open("s.g"), made.bench.open("s.h")]  # type: ignore[attr-defined]
    made.bench.own()
    made.live(100)
    return made


def remake(scene: Scene, topic: str) -> None:
    scene.bench.topics.anew[topic] = "another"
    for transaction in scene.bench.sender.done:
        transaction.outputs = [o for o in transaction.outputs if o.topic != topic]


GONE, NEIGHBOUR = "grant.s.g.g1", "grant.s.h.g1"


def test_a_topic_made_anew_while_nobody_exchanged_is_given_the_history_and_its_neighbour_is_left_alone(
    scene: Scene,
) -> None:
    remake(scene, GONE)
    scene.lose()
    scene.caught_up()
    scene.live(5)
    assert scene.released(GONE) == scene.released(NEIGHBOUR) == scene.every()


def test_records_that_come_before_the_history_was_told_are_told_with_it_once(scene: Scene) -> None:
    remake(scene, GONE)
    scene.lose()
    scene.live(5)
    assert not scene.released(GONE)
    scene.caught_up()
    assert scene.released(GONE) == scene.released(NEIGHBOUR) == scene.every()


def test_a_topic_made_anew_is_noticed_when_a_write_fails(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, accept, failures = scene.bench, scene.bench.sender.commit, [Aborted("unknown_topic_or_part")]
    remake(scene, GONE)

    def commit(*given: object) -> None:
        if failures:
            bench.topics.news += 1  # as `forget` does
            raise failures.pop()
        accept(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.sender, "commit", commit)
    scene.grow(5)
    for _ in range(2):
        bench.handle(scene.place, scene.log[100:], 100)
    scene.caught_up()
    assert scene.released(GONE) == scene.released(NEIGHBOUR) == scene.every()


def test_owners_that_follow_each_other_tell_nothing_again_while_topics_are_the_same(scene: Scene) -> None:
    late = scene.bench.open("s.late")
    scene.caught_up()
    scene.bench.end("s.h")
    for _ in range(3):
        scene.lose()
        scene.live(5)
        scene.caught_up()
    assert scene.released(GONE) == scene.released(late) == scene.every()


def test_a_topic_whose_id_is_not_told_is_not_judged_and_is_once_it_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    remake(scene, GONE)
    topics = scene.bench.topics
    with monkeypatch.context() as silent:
        silent.setattr(type(topics), "ids", lambda self, asked: {})
        scene.lose()
        scene.caught_up()
        assert not scene.released(GONE)
    scene.caught_up()
    assert scene.released(GONE) == scene.released(NEIGHBOUR) == scene.every()


def test_a_grant_that_became_live_while_no_id_was_told_is_not_told_again_once_it_is(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, topics = scene.bench.open("s.late"), scene.bench.topics
    with monkeypatch.context() as silent:
        silent.setattr(type(topics), "ids", lambda self, asked: {})
        topics.news += 1
        scene.caught_up()
    topics.news += 1
    scene.caught_up()
    scene.live(5)
    scene.lose()
    scene.caught_up()
    assert scene.released(late) == scene.released(GONE) == scene.every()


def test_a_mark_of_an_earlier_version_says_nothing_of_topics_and_gets_its_signs_with_the_next_records(
    scene: Scene,
) -> None:
    mark = Mark(scene.bench.policy.state.epoch, "old", scene.bench.policy.state.epoch)
    assert read_mark(mark.text()).signs is None
    scene.bench.exchange.revoked([scene.place])
    scene.bench.own(offset=100, metadata=mark.text())
    scene.live(5)
    scene.caught_up()
    assert scene.released(GONE) == scene.every()
    opened = scene.bench.policy.state.grants["s.g"].opened
    assert sign(opened, f"id of {GONE}") in (scene.standing.mark.signs or ())


def test_signs_fit_into_a_mark_with_all_else_and_too_many_are_left_out() -> None:
    many = frozenset(range(10**6, 10**6 + MAX_OFF))
    gaps = frozenset(f"a1b2c3-{i:08x}" for i in range(MAX_GAPS))
    signs = frozenset(sign(i, "x") for i in range(MAX_SIGNS + 1))
    assert len(signs) == MAX_SIGNS + 1
    fits = signs - {min(signs)}
    mark = Mark(10**6, "t" * 120, 10**6, Replaying(many, 10**12), many, gaps, 10**10, 10**6, 10**6, fits)
    assert len(mark.text()) < 4096
    assert read_mark(mark.text()) == mark
    assert read_mark(Mark(signs=signs).text()).signs is None


@pytest.mark.parametrize("others", [0, 30], ids=["asked for by name", "found in a list"])
def test_a_topic_made_anew_has_another_id_once_it_is_looked_for_again(
    cluster: Cluster, unique: str, others: int
) -> None:
    client, wanted = admin(cluster.settings), of_grant(f"{unique}.g", 1, 1)
    names, known, found = [wanted.name, *(f"{unique}.none.{n}" for n in range(others))], KnownTopics(client), []
    for _ in range(2):
        create(client, [wanted], partition_counts(client))
        assert wanted.name not in known.unusable(names)
        found.append(known.ids(names))
        news = known.news
        assert (known.ids(names), known.news) == (found[-1], news)
        delete(client, [wanted.name])
        known.forget()
        assert known.news > news
    assert found[0].keys() == found[1].keys() == {wanted.name}
    assert found[0] != found[1]


def test_a_real_topic_made_anew_between_two_workers_is_given_the_history(
    cluster: Cluster, unique: str, tmp_path: Path
) -> None:
    lab = Lab(cluster.settings, unique, partitions=2)
    lab.apply()
    remade, neighbour = lab.open(1), lab.open(2)
    with worker(lab.settings, tmp_path / "log"):
        for partition in (0, 1):
            lab.publish([("c", None, row(i)) for i in range(partition, 40, 2)], partition)
        lab.settled()
    before = lab.released(2)
    client, topic = admin(lab.settings), grant_topic(remade.id, 1)
    delete(client, [topic])
    create(client, [of_grant(remade.id, 1, 2)], partition_counts(client))
    with worker(lab.settings, tmp_path / "log"):
        lab.publish([("u", row(0), row(0, amount=2))])
        lab.settled()
        lab.caught_up(1)
    assert sorted(k for k, _ in lab.released(1)) == sorted([b"k0", *(f"k{i}".encode() for i in range(40))])
    assert len(lab.released(2)) == len(before) + 1, f"{neighbour.id} was not told again"
