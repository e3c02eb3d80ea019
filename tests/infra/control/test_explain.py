"""`bus explain` on a real exchange: of every way a record can go, where it went and why, and nothing of what it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import pytest

from infra.control import revoke, topics
from infra.control.explaining.explain import Asked, explain
from infra.control.explaining.facts import Explained, Place
from infra.runtime.kafka import admin
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.ids import grant_topic
from tests.conftest import Cluster
from tests.kit.exchange_lab import Lab, row, within, worker


@pytest.fixture(scope="module")
def running(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """One worker for all tests here."""
    settings = cluster.settings
    with worker(settings, tmp_path_factory.mktemp("worker") / "log"):
        yield settings


@pytest.fixture
def lab(running: Settings, unique: str) -> Lab:
    made = Lab(running, unique)
    made.apply()
    return made


def of_key(lab: Lab, key: str, n: int = 1) -> list[Explained]:
    return explain(lab.settings, f"{lab.word}.g.{n}", Asked(key={"id": key}))


def of_place(lab: Lab, offset: int, n: int = 1) -> list[Explained]:
    return explain(lab.settings, f"{lab.word}.g.{n}", Asked(source=Place(0, offset)))


def test_a_released_record_is_found_by_key_by_its_source_and_by_its_place_in_the_grants_topic(lab: Lab) -> None:
    lab.open(1, where="district = 'a'")
    lab.publish([("c", None, row(1)), ("c", None, row(2)), ("u", row(1), row(1, amount=2))])
    lab.settled()
    first, second = of_key(lab, "k1")
    assert (first.outcome, first.active, first.generation, first.in_filter) == ("emitted", True, 1, True)
    assert (first.where, first.masks["name"], first.masks["id"]) == ("district = 'a'", "partial keep_first=1", "pass")
    there = {m.offset(): m.key() for m in lab.messages(grant_topic(f"{lab.word}.g.1", 1))}
    assert first.offsets is not None
    assert second.offsets is not None
    assert [there[o] for o in (*first.offsets, *second.offsets)] == [b"k1", b"k1"]
    assert first.offsets < second.offsets
    assert of_place(lab, first.source.offset) == [first]
    assert explain(lab.settings, first.grant, Asked(at=Place(0, second.offsets[0]))) == [second]
    assert first.epoch is not None
    assert lab.committed()[1].epoch == first.epoch


def test_a_row_keyed_by_a_token_is_found_in_the_grants_topic_with_the_master_keys_alone(lab: Lab) -> None:
    lab.open(1, fields={"id": "pseudonym", "name": "pass"})
    lab.publish([("c", None, row(1)), ("c", None, row(2))])
    lab.settled()
    (found,) = of_key(lab, "k2")
    assert found.offsets is not None
    assert explain(lab.settings, found.grant, Asked(at=Place(0, found.offsets[0]))) == [found]


def test_what_the_filter_keeps_back_and_what_changes_nothing_is_told_apart(lab: Lab) -> None:
    lab.open(1, where="district = 'a'")
    lab.open(2)
    lab.publish([("c", None, row(1, "b")), ("c", None, row(2)), ("u", row(1, "b"), row(1, "c"))])
    lab.settled()
    assert [(f.outcome, f.in_filter, f.offsets) for f in of_key(lab, "k1")] == [("filtered", False, None)] * 2
    assert [f.outcome for f in of_key(lab, "k1", 2)] == ["emitted", "unchanged"]  # it is given no district


def test_after_a_revocation_it_says_since_which_epoch_and_why(lab: Lab) -> None:
    lab.open(1)
    lab.publish([("c", None, row(1))])
    lab.settled()
    fence = revoke(lab.settings, f"{lab.word}.g.1")
    lab.publish([("c", None, row(2))])
    lab.settled()
    (before,), (after,) = of_key(lab, "k1"), of_key(lab, "k2")
    assert before.outcome == "emitted"
    assert (after.outcome, after.active, after.ended_epoch, after.end_reason) == (
        "ended",
        False,
        fence.epoch,
        "revoked",
    )
    assert after.offsets is None


def test_a_grant_that_was_withheld_is_told_with_the_word_why(lab: Lab) -> None:
    lab.open(1)
    topics.delete(admin(lab.settings), [grant_topic(f"{lab.word}.g.1", 1)])
    lab.publish([("c", None, row(1))])
    lab.settled()
    (found,) = of_key(lab, "k1")
    assert (found.outcome, found.reason, found.active, found.offsets) == ("withheld", "no_topic", True, None)
    assert found.masks["id"] == "pass"


def test_a_dead_letter_is_named_with_its_reason(lab: Lab) -> None:
    lab.open(1)
    lab.publish([("c", None, row(1))])
    lab.write([(b"k9", b"junk")])
    lab.settled()
    (found,) = of_key(lab, "k9")
    assert (found.outcome, found.reason) == ("failed", "not_framed")
    (letter,) = [m for m in lab.messages("bus.dead-letters") if m.offset() == found.dead_letter]
    assert json.loads(letter.value())["offset"] == found.source.offset


def test_a_grant_opened_late_has_its_history_explained_beside_what_was_live(lab: Lab) -> None:
    lab.open(1)
    lab.publish([("c", None, row(1))])
    lab.settled()
    lab.open(2)
    within(20, lambda: len(lab.released(2)) == 1)
    live, history = of_key(lab, "k1", 2)
    assert (live.outcome, live.history) == ("not_opened", False)
    assert (history.outcome, history.history) == ("emitted", True)
    assert history.offsets is not None


def test_nothing_of_a_record_is_told(lab: Lab) -> None:
    lab.open(1, where="district = 'a'")
    lab.publish([("c", None, row(1, name="张三丰", amount=424_242)), ("c", None, row(2, "zhuodi", name="李四"))])
    lab.write([(b"k3", "张三丰".encode())])
    lab.settled()
    said = json.dumps([asdict(f) for k in ("k1", "k2", "k3") for f in of_key(lab, k)], ensure_ascii=False)
    assert not [word for word in ("张", "李", "424242", "zhuodi") if word in said]


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        (Asked(key={"name": "x"}), "--key"),
        (Asked(key={"id": None}), "--key"),
        (Asked(source=Place(0, 10**9)), "src."),
        (Asked(at=Place(0, 10**9)), "grant."),
    ],
)
def test_what_is_not_there_is_refused_with_its_place(lab: Lab, asked: Asked, where: str) -> None:
    lab.open(1)
    with pytest.raises(ConfigError) as caught:
        explain(lab.settings, f"{lab.word}.g.1", asked)
    assert (caught.value.where or "").startswith(where)


def test_an_unknown_grant_is_refused(lab: Lab) -> None:
    with pytest.raises(ConfigError):
        explain(lab.settings, f"{lab.word}.none", Asked(source=Place(0, 0)))
