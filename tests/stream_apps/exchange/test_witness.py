"""A record that kills the worker is found by the deaths it causes, and nobody else is taken for it."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.runtime.settings import Settings
from schemas.codec import ChangeDecoder
from schemas.errors import TransientError
from schemas.ids import DEAD_LETTER_TOPIC
from schemas.text import Text
from stream_apps.exchange import judge as judging
from stream_apps.exchange.backfill import Pass
from stream_apps.exchange.gaps import GapWatch
from stream_apps.exchange.inflight import NOBODY, InFlight, Judging
from stream_apps.exchange.judge import Apart, judge
from stream_apps.exchange.marks import Mark
from stream_apps.exchange.suspects import Suspects
from stream_apps.exchange.trial import Record, dies, in_force
from stream_apps.exchange.witness import ALONE, Witness, witness
from stream_apps.transport.unit import Place, Slice
from tests.kit.poison import poisoned_by
from tests.stream_apps.exchange.fakes import NOW, RING, Bench, FakeHistory, FakeMessage, row

PLACE = Place("src.p.r", 0)
POISON = "poison"


class Died(BaseException):
    """Stands for the end of the process: nothing of ours runs after it."""


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding the poison ends the process."""
    decode = ChangeDecoder.decode

    def deadly(self: ChangeDecoder, values: Sequence[bytes]) -> Any:
        if any(POISON.encode() in value for value in values):
            raise Died
        return decode(self, values)

    monkeypatch.setattr(ChangeDecoder, "decode", deadly)


class Life:
    """One life of the worker `w`: an exchange that knows what the lives before it died of."""

    def __init__(self, folder: Path, deadly: bool = False, offset: int = 0, **open_: Any) -> None:
        self.tried: list[bytes] = []
        self.flight = InFlight(folder / "w.judging")
        self.bench = Bench(Witness(self.flight, Suspects(folder / "w.suspects"), self._dies))
        self.deadly = deadly
        self.bench.publish_contract()
        self.topic = self.bench.open(**open_)
        mark = Mark(self.bench.policy.state.epoch, "old", self.bench.policy.state.epoch)
        self.place = self.bench.own(offset=offset, metadata=mark.text())

    def _dies(self, record: Record) -> bool:
        self.tried.append(record.key)
        return self.deadly

    def handle(self, messages: Sequence[FakeMessage]) -> None:
        """All of them, in as many units as the exchange makes of them."""
        end = messages[-1].offset() + 1
        standing = self.bench.exchange.owned[self.place]
        while standing.next < end:
            rest = [m for m in messages if m.offset() >= standing.next]
            self.bench.handle(self.place, rest, standing.next, end)

    def dies_of(self, messages: Sequence[FakeMessage]) -> None:
        with pytest.raises(Died):
            self.handle(messages)
        self.end()

    def end(self) -> None:
        self.flight.close()

    def reasons(self) -> list[tuple[int, str]]:
        return [(said["offset"], said["reason"]) for said in map(json.loads, self.bench.letters())]


def records(bench: Bench, poison: int | None, n: int = 6) -> list[FakeMessage]:
    """Creates of rows 0 to n - 1, one of which kills."""
    return [bench.event(i, "c", None, row(i, POISON if i == poison else "x")) for i in range(n)]


def died_alone_at(folder: Path, offset: int, n: int = 6) -> None:
    """What a kill leaves that comes while one record is judged alone."""
    flight = InFlight(folder / "w.judging")
    flight.begin(PLACE, 0, n, NOBODY, False)
    flight.name(offset)
    flight.close()


# -- what a record that kills costs


def test_an_offset_that_kills_the_worker_twice_is_isolated_as_a_dead_letter_the_third_time(tmp_path: Path) -> None:
    first = Life(tmp_path)
    messages = records(first.bench, 3)
    first.dies_of(messages)
    second = Life(tmp_path)
    second.dies_of(messages)
    third = Life(tmp_path, deadly=True)
    third.handle(messages)
    assert third.tried == [b"k3"]
    assert third.reasons() == [(3, "kills_worker")]
    (letter,) = third.bench.letters()
    assert json.loads(letter)["grant"] is None
    assert POISON.encode() not in letter
    found = [e and (e["op"], e["key"]["id"]) for e in third.bench.events(third.topic)]
    assert found == [("c", "k0"), ("c", "k1"), ("c", "k2"), ("d", "k3"), None, ("c", "k4"), ("c", "k5")]
    assert (first.bench.sender.done, second.bench.sender.done, second.tried) == ([], [], [])


def test_the_keys_next_event_after_a_record_that_kills_is_not_suppressed(tmp_path: Path) -> None:
    died_alone_at(tmp_path, 1)
    life = Life(tmp_path, deadly=True)
    same = row(1, "x")
    life.handle([life.bench.event(0, "u", row(0), row(0)), life.bench.event(1, "u", same, row(1, POISON))])
    assert life.bench.sender.done[0].offsets[PLACE][1].gaps == {life.bench.exchange.tools.hashed(b"k1")}
    life.handle([life.bench.event(2, "u", same, same)])
    life.handle([life.bench.event(3, "u", same, same)])
    assert life.bench.ops(life.topic) == ["d", None, "u"]


def test_a_death_at_the_only_record_of_a_slice_names_it_at_once(tmp_path: Path) -> None:
    first = Life(tmp_path)
    messages = [first.bench.event(0, "c", None, row(0, POISON))]
    first.dies_of(messages)
    second = Life(tmp_path, deadly=True)
    second.handle(messages)
    assert second.reasons() == [(0, "kills_worker")]


def test_what_kills_the_worker_alone_a_second_time_needs_no_trial(tmp_path: Path) -> None:
    for _ in range(2):
        died_alone_at(tmp_path, 3)
        Life(tmp_path).end()
    life = Life(tmp_path)
    life.handle(records(life.bench, 3))
    assert (life.tried, life.reasons()) == ([], [(3, "kills_worker")])


def test_a_key_that_kills_even_in_its_delete_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deadly(*args: object, **more: object) -> None:
        raise Died

    monkeypatch.setattr(judging, "delete_for_keys", deadly)
    died_alone_at(tmp_path, 3)
    second = Life(tmp_path, deadly=True)
    messages = records(second.bench, 3)
    second.dies_of(messages)
    third = Life(tmp_path)
    third.handle(messages)
    assert third.bench.ops(third.topic) == ["c"] * 5
    assert third.reasons() == [(3, "kills_worker")]


def test_two_records_that_kill_are_both_found(tmp_path: Path) -> None:
    messages: list[FakeMessage] = []
    for _ in range(3):  # the slice, the one, and with it isolated the other
        life = Life(tmp_path, deadly=True)
        messages = messages or [
            life.bench.event(i, "c", None, row(i, POISON if i in (1, 4) else "x")) for i in range(6)
        ]
        life.dies_of(messages)
    life = Life(tmp_path, deadly=True)
    life.handle(messages)
    assert life.reasons() == [(1, "kills_worker"), (4, "kills_worker")]
    assert len([op for op in life.bench.ops(life.topic) if op == "c"]) == 4


def test_a_record_that_kills_in_the_history_is_isolated_there_and_found_without_the_live_ones(tmp_path: Path) -> None:
    for life_number in range(3):
        life = Life(tmp_path, deadly=True, offset=6)
        late = life.bench.open("s.late")
        messages = records(life.bench, 3)
        standing = life.bench.exchange.owned[life.place]
        opened = life.bench.policy.state.grants["s.late"].opened
        run = Pass(life.bench.exchange, life.place, standing, frozenset([opened]), FakeHistory(messages), 0)
        if life_number < 2:
            with pytest.raises(Died):
                run.step()
            life.end()
    assert run.step()
    assert life.reasons() == [(3, "kills_worker")]
    assert life.bench.ops(late) == ["c", "c", "c", "d", None, "c", "c"]
    assert life.bench.ops(life.topic) == []
    assert not life.bench.exchange.tools.witness.known


# -- what an innocent record costs


def test_kills_for_other_reasons_isolate_no_record_wherever_they_hit(tmp_path: Path) -> None:
    whole = Life(tmp_path / "other")
    messages = records(whole.bench, None)
    whole.handle(messages)
    flight = InFlight(tmp_path / "w.judging")
    flight.begin(PLACE, 0, 6, NOBODY, False)
    flight.close()
    for offset in (0, 3, 5):
        Life(tmp_path).end()
        died_alone_at(tmp_path, offset)
    life = Life(tmp_path)
    life.handle(messages)
    assert life.tried == [b"k0", b"k3", b"k5"]
    assert life.reasons() == []
    assert life.bench.events(life.topic) == whole.bench.events(whole.topic)


def test_a_kill_while_a_record_is_tried_out_accuses_nobody_and_the_trial_is_not_held_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(record: Record) -> bool:
        raise Died

    died_alone_at(tmp_path, 3)
    second = Life(tmp_path)
    messages = records(second.bench, None)
    with monkeypatch.context() as patch:
        patch.setattr(second.bench.exchange.tools.witness, "_dies", killed)
        second.dies_of(messages)
    third = Life(tmp_path, deadly=True)
    third.handle(messages)
    assert (third.tried, third.reasons()) == ([], [])
    assert third.bench.ops(third.topic) == ["c"] * 6


def test_a_record_acquitted_is_not_tried_again(tmp_path: Path) -> None:
    died_alone_at(tmp_path, 3)
    life = Life(tmp_path)
    life.bench.sender.refuse = ["x", "x"]
    life.handle(records(life.bench, None))
    assert life.tried == [b"k3"]


def test_suspicion_is_forgotten_once_the_partition_has_committed_past_it(tmp_path: Path) -> None:
    died_alone_at(tmp_path, 3)
    life = Life(tmp_path)
    assert (tmp_path / "w.suspects").exists()
    life.handle(records(life.bench, None))
    assert not (tmp_path / "w.suspects").exists()
    assert not life.bench.exchange.tools.witness.known
    life.bench.exchange.tools.witness.close()
    assert list(tmp_path.iterdir()) == []


def test_suspicion_is_forgotten_when_another_worker_has_committed_past_it(tmp_path: Path) -> None:
    died_alone_at(tmp_path, 3)
    life = Life(tmp_path, offset=6)
    life.bench.exchange.turn()  # announces itself
    assert not life.bench.exchange.tools.witness.known


@pytest.mark.parametrize("error", [TransientError(Text("t", "t")), RuntimeError(), MemoryError()])
def test_an_error_is_no_death(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def raises(self: ChangeDecoder, values: object) -> None:
        raise error

    life = Life(tmp_path)
    messages = records(life.bench, None)
    monkeypatch.setattr(ChangeDecoder, "decode", raises)
    if isinstance(error, TransientError):
        life.bench.handle(life.place, messages, 0)
    else:
        with pytest.raises(type(error)):
            life.handle(messages)
    assert life.flight.found() is None


# -- one by one


def test_suspect_records_are_cut_out_of_a_slice_and_not_too_many_are_one_transaction(tmp_path: Path) -> None:
    n = 3 * ALONE
    flight = InFlight(tmp_path / "w.judging")
    flight.begin(PLACE, 10, 10 + ALONE + 5, NOBODY, False)
    flight.close()
    life = Life(tmp_path)
    messages = [life.bench.event(i, "c", None, row(i)) for i in range(n)]
    life.handle(messages)
    ends = [t.offsets[PLACE][0] for t in life.bench.sender.done]
    assert ends == [10, 10 + ALONE, 10 + ALONE + 5, n]
    assert [e and e["key"]["id"] for e in life.bench.events(life.topic)] == [f"k{i}" for i in range(n)]
    assert len({t.offsets[PLACE][1].epoch for t in life.bench.sender.done}) == 1


def test_another_slice_of_the_unit_is_one_transaction_with_the_part_that_is_suspect(tmp_path: Path) -> None:
    flight = InFlight(tmp_path / "w.judging")
    flight.begin(PLACE, 0, 2 * ALONE, NOBODY, False)
    flight.close()
    life = Life(tmp_path)
    life.bench.publish_contract("p.q")
    other = life.bench.own("p.q")
    suspect = [life.bench.event(i, "c", None, row(i)) for i in range(2 * ALONE)]
    unit = life.bench.unit(
        Slice(life.place, suspect, 0, 2 * ALONE),  # type: ignore[arg-type]
        Slice(other, [life.bench.event(0, "c", None, row(1), "p.q")], 0, 1),  # type: ignore[list-item]
    )
    life.bench.exchange.handle(unit)
    (transaction,) = life.bench.sender.done
    assert {p: at for p, (at, _) in transaction.offsets.items()} == {life.place: ALONE, other: 1}
    assert life.bench.feed.rewound == [{life.place: ALONE, other: 1}]
    assert life.bench.feed.finished == []


NOTES = st.one_of(st.none(), st.sampled_from(["x", "y", "长" * 30]))
ROWS = st.builds(row, st.integers(0, 3), NOTES, st.sampled_from("ab"))


def _event(draw: Any) -> tuple[str, Any]:
    kind = draw(st.sampled_from(["c", "u", "u", "u", "d", "r", "junk", "tombstone", "no_before", "foreign_key"]))
    after, before = draw(ROWS), draw(ROWS)
    if kind in ("u", "foreign_key"):
        before = before | ({"id": after["id"]} if kind == "u" else {})
    return kind, (before, after)


EVENTS = st.lists(st.composite(_event)(), min_size=1, max_size=14)


def _message(bench: Bench, at: int, kind: str, rows: tuple[Any, Any]) -> FakeMessage:
    before, after = rows
    if kind == "junk":
        return FakeMessage(at, after["id"].encode(), b"\x00\x00\x00\x00\x07junk")
    if kind == "tombstone":
        return FakeMessage(at, after["id"].encode(), None)
    if kind in ("c", "r"):
        return bench.event(at, kind, None, after)
    if kind == "d":
        return bench.event(at, "d", before, None)
    return bench.event(at, "u", None if kind == "no_before" else before, after)


@pytest.fixture(scope="module")
def three_grants() -> Bench:
    bench = Bench()
    bench.publish_contract()
    bench.open("s.all")
    bench.open("s.some", where="district = 'a'", fields={"note": "pass"})
    bench.open("s.same", where="district = 'a'", fields={"note": "pass"})
    return bench


@settings(deadline=None)
@given(events=EVENTS, history=st.booleans(), gap=st.booleans())
def test_records_judged_one_by_one_give_byte_for_byte_what_they_give_together(
    three_grants: Bench, events: list[Any], history: bool, gap: bool
) -> None:
    tools = three_grants.exchange.tools
    rules = tools.book.rules(three_grants.policy.state, "p.r")
    messages: list[Any] = [_message(three_grants, i, *event) for i, event in enumerate(events)]
    before = [tools.hashed(b"k1")] if gap else []
    watch = GapWatch(before, [m.key() for m in messages], tools.hashed)
    touched: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judging, "MAX_EVENT_BYTES", 100)  # some are too large
        whole = judge(messages, rules, rules.lanes, watch, NOW, history=history)
        apart = judge(messages, rules, rules.lanes, watch, NOW, history=history, apart=Apart(touched.append))
    assert apart.published.tolist() == whole.published.tolist()
    assert sorted(map(repr, apart.faults)) == sorted(map(repr, whole.faults))
    rest = {"published": whole.published, "faults": whole.faults}
    assert replace(apart, **rest) == replace(whole, **rest)
    assert set(touched) == {i for i, m in enumerate(messages) if m.value() is not None}


# -- what survives


def test_what_is_under_judgement_survives_a_kill(tmp_path: Path) -> None:
    page = tmp_path / "state" / "w.judging"
    program = f"""
import os, signal
from pathlib import Path
from stream_apps.exchange.inflight import InFlight
from stream_apps.transport.unit import Place
flight = InFlight(Path({str(page)!r}))
flight.begin(Place("src.p.r", 7), 100, 300, -1, True)
flight.name(123)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    flight = InFlight(page)
    assert flight.found() == Judging(Place("src.p.r", 7), 100, 300, 123, True)
    flight.end()
    assert flight.found() is None


def test_suspicions_are_kept_and_for_their_owner_alone(tmp_path: Path) -> None:
    died_alone_at(tmp_path, 3)
    Life(tmp_path).end()
    path = tmp_path / "w.suspects"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    case = Suspects(path).of(PLACE, False)
    assert case is not None
    assert (case.ranges, case.deaths) == ([(0, 6)], {3: 1})


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '[{"topic": "src.p.r"}]', "\x00" * 40])
def test_suspicions_in_pieces_say_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "w.suspects"
    path.write_text(text)
    assert not Suspects(path)


@pytest.mark.parametrize("page", [b"", b"\xff" * 512, b"\x01" + b"\x00" * 511, bytes(range(256)) * 2])
def test_half_a_page_says_nothing(tmp_path: Path, page: bytes) -> None:
    path = tmp_path / "w.judging"
    path.write_bytes(page)
    flight = InFlight(path)
    assert flight.found() is None
    flight.close()


def test_a_worker_whose_name_another_process_holds_goes_without_a_record(tmp_path: Path) -> None:
    home = Settings(home=tmp_path)
    one = witness(home, "w")
    one._flight.begin(PLACE, 0, 3, NOBODY, False)
    two = witness(home, "w")
    two._flight.begin(PLACE, 5, 6, NOBODY, False)
    assert one._flight.found() == Judging(PLACE, 0, 3, None, False)
    assert not two.known
    two.close()
    one.close()
    three = witness(home, "w")
    assert three.known
    three.close()


def test_a_state_folder_that_cannot_be_written_does_not_stop_a_worker(tmp_path: Path) -> None:
    (tmp_path / "exchange").write_text("in the way")
    made = witness(Settings(home=tmp_path), "w")
    assert not made.known


# -- the trial


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[str, str], Record]:
    key = tmp_path / "master.key"
    key.write_text(RING.secrets[1].secret.hex())
    key.chmod(0o600)
    bench = Bench()
    bench.publish_contract()
    bench.open(where="district = 'a'")
    rules = bench.exchange.tools.book.rules(bench.policy.state, "p.r")

    def asked(note: str, op: str) -> Record:
        message = bench.event(0, op, row(1, note) if op == "u" else None, row(1, note))
        return Record(b"k1", message.value(), in_force(rules, rules.lanes), "p.r", frozenset(), NOW, False)

    return asked


def test_a_trial_tells_a_record_that_kills_from_one_that_does_not(
    tmp_path: Path, ask: Callable[[str, str], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Settings(key_file=tmp_path / "master.key", registry_url="http://127.0.0.1:9")
    for name, value in poisoned_by(POISON).items():
        monkeypatch.setenv(name, value)
    assert dies(there, ask(POISON, "c"))
    assert not dies(there, ask("x", "u"))


def test_a_trial_that_cannot_be_held_proves_nothing(tmp_path: Path, ask: Callable[[str, str], Record]) -> None:
    absent = Settings(key_file=tmp_path / "none.key")
    assert not dies(absent, ask("x", "c"))
    foreign = replace(ask("x", "c"), value=b"\x00\x00\x00\x00\x09abc")
    there = Settings(key_file=tmp_path / "master.key", registry_url="http://127.0.0.1:9")
    assert not dies(there, foreign)


def test_no_dead_letter_topic_means_no_isolation_yet(tmp_path: Path) -> None:
    died_alone_at(tmp_path, 3)
    life = Life(tmp_path, deadly=True)
    life.bench.topics.gone = {DEAD_LETTER_TOPIC}
    messages = records(life.bench, 3)
    life.bench.handle(life.place, messages, 0)
    assert (life.bench.sender.done, life.bench.feed.paused) == ([], [life.place])
    assert life.bench.exchange.tools.witness.known
