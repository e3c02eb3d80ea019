"""A new grant is given the history while the others go on, and each record exactly once across the seam."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.evidence import CATCHING_UP, NOT_STARTED, read_stretch
from schemas.ids import EVIDENCE_TOPIC
from schemas.text import Text
from stream_apps.exchange import backfill
from stream_apps.exchange.marks import MAX_OFF, Replaying
from stream_apps.exchange.replay import Pace, Replayer
from stream_apps.exchange.standing import Standing
from stream_apps.transport.unit import Place
from tests.stream_apps.exchange.fakes import NOW, Bench, FakeHistory, FakeMessage, row


class Scene:
    """A bench with a log that live units and passes read, and a replayer whose thread is this one."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench.publish_contract()
        self.log: list[FakeMessage] = []
        self.opened: list[tuple[int, FakeHistory]] = []
        self.replayer = Replayer(self.bench.exchange, Settings(history_rate=10**9), self._failed, self._history)
        self.place = Place("src.p.r", 0)

    def _history(self, place: Place, at: int) -> Any:
        self.opened.append((at, FakeHistory(self.log, at)))
        return self.opened[-1][1]

    def _failed(self, error: BaseException) -> None:
        raise AssertionError(error)

    @property
    def standing(self) -> Standing:
        return self.bench.exchange.owned[self.place]

    def grow(self, n: int) -> None:
        """So many more records, of new keys."""
        self.log += [self.bench.event(i, "c", None, row(i)) for i in range(len(self.log), len(self.log) + n)]

    def live(self, n: int) -> None:
        """A live unit of so many new records."""
        start = len(self.log)
        self.grow(n)
        self.bench.handle(self.place, self.log[start:], start)

    def turn(self) -> None:
        self.replayer._look_at = 0.0  # not a matter of time here
        self.replayer.turn()

    def caught_up(self, live: Callable[[], None] = lambda: None) -> None:
        """Turns until no pass is left."""
        for _ in range(200):
            self.turn()
            if not self.replayer._passes:
                return
            live()
        raise AssertionError("it never catches up")

    def lose(self) -> None:
        """Another owner goes on from the last commit."""
        offset, mark = [t.offsets[self.place] for t in self.bench.sender.done if self.place in t.offsets][-1]
        self.bench.exchange.revoked([self.place])
        self.turn()
        self.bench.own(offset=offset, metadata=mark.text())
        self.bench.exchange.turn()

    def released(self, topic: str) -> Counter[bytes]:
        return Counter(e["key"] for t in self.bench.sender.done for e in t.entries(topic))

    def every(self) -> Counter[bytes]:
        return Counter(m.k for m in self.log)


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Chunks of ten, and the last under the lock when five or fewer are left."""
    monkeypatch.setattr(backfill, "_LEAST", 10)
    monkeypatch.setattr(backfill, "_MOST", 10)
    monkeypatch.setattr(backfill, "_SHORT", 5)
    yield


def late(scene: Scene, records: int = 100) -> tuple[str, str]:
    """A grant that had all the records, and one that was opened after them; announced."""
    first = scene.bench.open("s.g")
    scene.bench.own()
    scene.live(records)
    second = scene.bench.open("s.late")
    return first, second


def test_live_records_go_on_for_the_others_while_a_new_grant_catches_up(scene: Scene) -> None:
    first, second = late(scene)
    scene.turn()
    assert 0 < scene.released(second).total() < 100
    scene.live(3)
    assert scene.released(first) == scene.every()
    assert scene.bench.feed.paused == scene.bench.feed.rewound == []


def test_every_record_comes_once_to_each_grant_whatever_comes_live_meanwhile(scene: Scene) -> None:
    first, second = late(scene)
    scene.caught_up(lambda: scene.live(3))
    scene.live(5)
    assert scene.released(first) == scene.released(second) == scene.every()
    assert (scene.standing.mark.replay, scene.standing.mark.off) == (None, frozenset())


def test_the_switch_is_in_the_transaction_of_the_chunk_that_reaches_the_group(scene: Scene) -> None:
    late(scene)
    scene.caught_up(lambda: scene.live(1))
    offset, mark = scene.bench.sender.done[-1].offsets[scene.place]
    assert (offset, mark.live, mark.replay) == (len(scene.log), scene.bench.policy.state.epoch, None)
    before = [t.offsets[scene.place][1] for t in scene.bench.sender.done[:-1]]
    assert {m.live for m in before if m.replay is not None} == {scene.bench.policy.state.grants["s.g"].opened}


def test_it_catches_up_under_a_load_as_heavy_as_its_chunks(scene: Scene) -> None:
    first, second = late(scene)
    scene.caught_up(lambda: scene.live(12))
    assert scene.released(first) == scene.released(second) == scene.every()


def test_where_chunks_lose_ground_they_are_judged_under_the_lock(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes while a chunk is judged outside the lock is as much as the chunk; under the lock nothing can come."""
    monkeypatch.setattr(backfill, "_LARGEST", 5)
    first, second = late(scene, 60)
    exchange = scene.bench.exchange
    judge = exchange.tools.witness.judge
    inside: list[bool] = []

    def judged(place: Place, messages: Any, *arguments: Any, **more: Any) -> Any:
        if more.get("history"):
            inside.append(exchange.lock._is_owned())  # type: ignore[attr-defined]
            if not inside[-1]:
                scene.live(len(messages) * 2)
        return judge(place, messages, *arguments, **more)

    exchange.tools.witness.judge = judged  # type: ignore[method-assign]
    scene.caught_up()
    assert (inside[0], inside[-1]) == (False, True)
    assert scene.released(first) == scene.released(second) == scene.every()


def test_what_was_judged_outside_the_lock_is_judged_again_if_a_grant_ended_meanwhile(scene: Scene) -> None:
    _, second = late(scene)
    third = scene.bench.open("s.other")
    witness = scene.bench.exchange.tools.witness
    judge = witness.judge

    def judged(*arguments: Any, **more: Any) -> Any:
        out = judge(*arguments, **more)
        if more.get("history") and "s.late" in scene.bench.policy.state.grants:
            witness.judge = judge  # type: ignore[method-assign]
            scene.bench.end("s.late")
        return out

    witness.judge = judged  # type: ignore[method-assign]
    scene.caught_up()
    assert scene.released(second) == Counter()
    assert scene.released(third) == scene.every()


def test_a_judgement_of_history_that_is_too_old_is_made_anew(scene: Scene) -> None:
    _, second = late(scene)
    clock, tools = [NOW], scene.bench.exchange.tools
    scene.bench.exchange.tools = replace(tools, now_ms=lambda: clock[0])
    judge, moments = tools.witness.judge, list[int]()

    def judged(*arguments: Any, **more: Any) -> Any:
        moments.append(arguments[5])
        out = judge(*arguments, **more)
        clock[0] = NOW + 5_000
        return out

    tools.witness.judge = judged  # type: ignore[method-assign]
    scene.turn()
    assert moments == [NOW, NOW + 5_000]
    scene.caught_up()
    assert scene.released(second) == scene.every()


def test_a_partition_taken_away_while_a_chunk_is_judged_writes_nothing_of_it(scene: Scene) -> None:
    _, second = late(scene)
    witness = scene.bench.exchange.tools.witness
    judge = witness.judge

    def judged(*arguments: Any, **more: Any) -> Any:
        out = judge(*arguments, **more)
        if more.get("history"):
            scene.bench.exchange.revoked([scene.place])
        return out

    witness.judge = judged  # type: ignore[method-assign]
    scene.turn()
    assert scene.released(second) == Counter()
    assert scene.opened[0][1].closed


def test_progress_is_committed_and_the_next_owner_goes_on_from_it(scene: Scene) -> None:
    first, second = late(scene)
    for _ in range(3):
        scene.turn()
    offset, mark = scene.bench.sender.done[-1].offsets[scene.place]
    assert mark.replay == Replaying(frozenset([scene.bench.policy.state.grants["s.late"].opened]), 30)
    scene.bench.exchange.revoked([scene.place])
    scene.turn()
    scene.bench.own(offset=offset, metadata=mark.text())
    scene.live(4)
    scene.caught_up()
    assert [at for at, _ in scene.opened] == [0, 30]
    assert scene.released(second) == scene.every()
    assert scene.released(first) == scene.every()


def test_a_live_unit_commits_the_progress_too(scene: Scene) -> None:
    late(scene)
    scene.turn()
    scene.live(1)
    mark = scene.bench.sender.done[-1].offsets[scene.place][1]
    assert mark.replay is not None
    assert mark.replay.at == 10
    assert mark.off == frozenset()  # it misses nothing: it has yet to come to it


def test_keys_that_live_units_are_behind_with_stay_known_through_a_chunk(scene: Scene) -> None:
    late(scene)
    scene.log.append(FakeMessage(len(scene.log), b"k1", b"junk"))
    scene.bench.handle(scene.place, scene.log[-1:], len(scene.log) - 1)
    scene.turn()
    assert scene.bench.sender.done[-1].offsets[scene.place][1].gaps == {scene.bench.exchange.tools.hashed(b"k1")}


def test_the_next_owner_goes_on_for_the_grants_of_the_pass_alone(scene: Scene) -> None:
    _, second = late(scene)
    scene.turn()
    later = scene.bench.open("s.later")
    scene.lose()
    scene.caught_up()
    assert (scene.released(second), scene.released(later).total()) == (scene.every(), 0)
    scene.caught_up()
    assert scene.released(later) == scene.every()


def test_who_waits_while_those_of_the_pass_end_without_an_owner_begins_at_the_beginning(scene: Scene) -> None:
    late(scene)
    scene.turn()
    later = scene.bench.open("s.later")
    scene.bench.end("s.late")
    scene.lose()
    scene.caught_up()
    scene.caught_up()
    assert scene.released(later) == scene.every()


def test_new_grants_share_a_pass_and_one_that_comes_later_has_one_of_its_own_from_the_beginning(scene: Scene) -> None:
    _, second = late(scene)
    third = scene.bench.open("s.too")
    scene.turn()
    fourth = scene.bench.open("s.later")
    scene.caught_up(lambda: scene.live(1))
    assert scene.released(fourth) == Counter()
    scene.caught_up(lambda: scene.live(1))
    assert [at for at, _ in scene.opened] == [0, 0]
    scene.live(2)
    assert scene.released(second) == scene.released(third) == scene.released(fourth) == scene.every()


def test_a_grant_whose_companion_ended_in_mid_pass_is_not_taken_for_it(scene: Scene) -> None:
    """One ends while another, which came later, waits: that one begins at the beginning, not where the first was."""
    _, second = late(scene)
    scene.turn()
    later = scene.bench.open("s.later")
    scene.bench.end("s.late")
    scene.caught_up()
    scene.caught_up()
    assert scene.released(second).total() == 10
    assert scene.released(later) == scene.every()
    assert scene.standing.mark.replay is None


def test_a_pass_whose_grants_ended_while_nobody_worked_leaves_nothing_in_the_mark(scene: Scene) -> None:
    late(scene)
    scene.turn()
    offset, mark = scene.bench.sender.done[-1].offsets[scene.place]
    scene.bench.exchange.revoked([scene.place])
    scene.turn()
    scene.bench.end("s.late")
    scene.bench.own(offset=offset, metadata=mark.text())
    scene.bench.exchange.turn()
    scene.caught_up()
    assert scene.bench.sender.done[-1].offsets[scene.place][1].replay is None


def test_an_end_in_mid_pass_is_confirmed_before_the_pass_is_over(scene: Scene) -> None:
    _, second = late(scene)
    scene.turn()
    scene.bench.end("s.late")
    scene.bench.exchange.turn()
    assert scene.standing.mark.epoch == scene.bench.policy.state.epoch
    scene.caught_up()
    assert scene.released(second).total() == 10


def test_a_topic_that_refuses_in_mid_pass_costs_its_own_grant_another_pass_and_no_other(scene: Scene) -> None:
    first, second = late(scene)
    third = scene.bench.open("s.too")
    scene.turn()
    scene.bench.topics.gone = {second}
    scene.caught_up(lambda: scene.live(1))
    assert scene.released(third) == scene.released(first) == scene.every()
    scene.bench.topics.gone = set()
    scene.caught_up(lambda: scene.live(1))
    assert set(scene.released(second)) == set(scene.every())
    assert scene.released(third) == scene.every()


def test_a_chunk_that_is_aborted_is_read_again_from_the_last_commit(scene: Scene) -> None:
    _, second = late(scene)
    scene.turn()
    scene.bench.sender.refuse = ["coordinator_not_available"]
    scene.turn()
    assert scene.opened[0][1].closed
    scene.live(2)
    scene.standing.history_retry_at = 0.0
    scene.caught_up()
    assert [at for at, _ in scene.opened] == [0, 10]
    assert scene.released(second) == scene.every()


def test_history_waits_longer_each_time_it_fails_and_live_records_do_not(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = late(scene)

    def away(*arguments: Any, **more: Any) -> Any:
        raise TransientError(Text("away", "离线"))

    monkeypatch.setattr(backfill.Pass, "step", away)
    waits = []
    for _ in range(3):
        scene.standing.history_retry_at = 0.0
        scene.turn()
        scene.turn()
        waits.append(scene.standing.history_retry_at - time.monotonic())
    assert waits == sorted(waits)
    assert waits[0] < 1 < waits[2]
    assert len(scene.opened) == 3
    scene.live(2)
    assert scene.released(first) == scene.every()


def test_no_more_grants_share_a_pass_than_a_mark_can_name(scene: Scene) -> None:
    scene.bench.open("s.g")
    scene.bench.own()
    scene.live(30)
    topics = [scene.bench.open(f"s.n{n}") for n in range(MAX_OFF + 3)]
    scene.turn()
    text = scene.bench.sender.done[-1].offsets[scene.place][1].text()
    assert len(text) < 4096
    assert '"replay"' in text
    scene.caught_up()
    scene.caught_up()
    assert all(scene.released(topic) == scene.every() for topic in topics)


def test_records_that_have_not_arrived_yet_hold_up_no_live_unit(scene: Scene) -> None:
    """The last chunk is not begun under the lock before what it needs was read."""
    _, second = late(scene, 4)
    exchange = scene.bench.exchange
    under: list[bool] = []
    history = FakeHistory(scene.log, late=3)
    read = history.read

    def reading(*arguments: Any) -> Any:
        under.append(exchange.lock._is_owned())  # type: ignore[attr-defined]
        return read(*arguments)

    history.read = reading  # type: ignore[method-assign]
    scene.replayer._history = lambda place, at: history
    for _ in range(3):
        scene.turn()
        assert under == []
        history.late -= 1
    scene.caught_up()
    assert under == [True]
    assert scene.released(second) == scene.every()


def test_evidence_says_that_a_grant_catches_up_and_whose_history_a_chunk_was(scene: Scene) -> None:
    late(scene, 20)
    scene.turn()
    scene.live(1)
    said = [read_stretch(e["value"], 0) for t in scene.bench.sender.done for e in t.entries(EVIDENCE_TOPIC)]
    assert [(s.history, dict(s.withheld)) for s in said[1:]] == [(("s.late",), {}), (None, {"s.late": CATCHING_UP})]


def test_a_grant_that_starts_later_is_given_the_history_on_its_day(scene: Scene) -> None:
    scene.bench.open("s.g")
    later = scene.bench.open("s.later", valid={"from": "2099-01-01", "until": "2099-12-31"})
    scene.bench.own()
    scene.live(30)
    scene.turn()
    assert scene.opened == []
    said = [read_stretch(e["value"], 0) for t in scene.bench.sender.done for e in t.entries(EVIDENCE_TOPIC)]
    assert dict(said[-1].withheld) == {"s.later": NOT_STARTED}
    in_2099 = NOW + 73 * 365 * 86_400_000
    scene.bench.exchange.tools = replace(scene.bench.exchange.tools, now_ms=lambda: in_2099)
    scene.standing.mark = replace(scene.standing.mark, since=in_2099 // 1000)  # nobody was away
    scene.live(2)
    scene.caught_up()
    scene.live(2)
    assert scene.released(later) == scene.every()


def test_pace_holds_to_its_rate_but_never_lets_live_records_run_away() -> None:
    clock = [0.0]
    pace = Pace(1_000, lambda: clock[0])
    pace.spent(500, 0)
    assert pace.wait() == pytest.approx(0.5)
    clock[0] = 0.5
    assert pace.wait() == 0.0
    pace.spent(3_000, 2_000)
    assert pace.wait() == 0.0


class Story(Scene):
    """Grants come and go, chunks abort, owners change."""

    def __init__(self) -> None:
        super().__init__()
        self.names, self.disturbed = ["s.g"], set[str]()
        self.bench.open("s.g")
        self.bench.own()
        self.live(25)

    def more(self) -> None:
        self.live(3)

    def open(self) -> None:
        self.names.append(f"s.n{self.bench.policy.state.epoch}")
        self.bench.open(self.names[-1])

    def end(self) -> None:
        if len(self.names) > 1:
            self.bench.end(self.names.pop())

    def abort(self) -> None:
        self.bench.sender.refuse = ["timed_out"]
        self.turn()
        self.bench.sender.refuse = []
        self.standing.history_retry_at = 0.0

    def gone(self) -> None:
        """The newest grant's topic goes away: when it is back it is given everything again."""
        self.disturbed.add(self.names[-1])
        self.bench.topics.gone = {self.bench.policy.state.grants[self.names[-1]].topic}

    def back(self) -> None:
        self.bench.topics.gone = set()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["more", "turn", "open", "end", "lose", "abort", "gone", "back"]), max_size=40))
def test_whatever_comes_between_each_grant_that_stays_gets_every_record_once(steps: list[str]) -> None:
    story = Story()
    for step in steps:
        getattr(story, step)()
    story.back()
    for _ in range(4):
        story.caught_up(story.more)
    story.live(1)
    for name in story.names:
        found = story.released(story.bench.policy.state.grants[name].topic)
        assert set(found) == set(story.every()), name
        assert name in story.disturbed or max(found.values()) == 1, name
