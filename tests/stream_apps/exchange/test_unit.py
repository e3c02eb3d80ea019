"""How one unit is processed: the invariants of DESIGN 4, each broken on purpose."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from schemas.errors import PermanentError
from schemas.ids import DEAD_LETTER_TOPIC, EVIDENCE_TOPIC
from schemas.text import Text
from stream_apps.exchange import judge as judging
from stream_apps.exchange.marks import ANY, Mark
from stream_apps.exchange.outbox import Aborted
from stream_apps.transport.unit import Place, Slice
from tests.stream_apps.exchange.fakes import Bench, FakeMessage, row


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def test_all_slices_of_a_unit_are_one_transaction_under_one_epoch(bench: Bench) -> None:
    bench.publish_contract("p.q")
    one, two = bench.open("s.g"), bench.open("s.h", "p.q")
    r, q = bench.own(), bench.own("p.q")
    bench.exchange.handle(
        bench.unit(
            Slice(r, [bench.event(0, "c", None, row(1))], 0, 1),  # type: ignore[list-item]
            Slice(q, [bench.event(0, "c", None, row(2), "p.q")], 0, 1),  # type: ignore[list-item]
        )
    )
    (transaction,) = bench.sender.done
    assert {o.topic for o in transaction.outputs} == {one, two, EVIDENCE_TOPIC}
    assert {m.epoch for _, m in transaction.offsets.values()} == {bench.policy.state.epoch}
    assert len(bench.feed.finished) == 1


def test_a_unit_commits_with_the_group_metadata_it_was_polled_with(bench: Bench) -> None:
    place = bench.own()
    bench.handle(place, [], 0, 3)
    assert bench.sender.done[0].group == "captured"


def test_the_offset_committed_is_the_position_not_the_last_record_plus_one(bench: Bench) -> None:
    bench.open()
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0, 5)
    assert bench.sender.done[0].offsets[place][0] == 5


def test_a_slice_that_does_not_continue_the_last_commit_is_undone_and_everything_read_again(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    bench.handle(place, [bench.event(1, "c", None, row(1))], 1)
    assert bench.sender.done == []
    assert bench.feed.rewound == [{place: 0}]
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert bench.ops(topic) == ["c"]


def test_after_an_abort_the_unit_is_read_again_from_the_last_commit(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    bench.sender.refuse = ["msg_size_too_large"]
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert bench.feed.rewound == [{place: 0}]
    assert bench.feed.finished == []
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert bench.ops(topic) == ["c"]


def test_an_abort_that_never_stops_ends_the_process(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_apps.exchange.worker.time.sleep", lambda seconds: None)
    place = bench.own()
    bench.sender.refuse = ["x"] * 100
    with pytest.raises(Aborted):
        for _ in range(100):
            bench.handle(place, [], 0, 1)


def test_an_unknown_error_is_not_swallowed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*args: object) -> None:
        raise PermanentError(Text("lost", "lost"))

    place = bench.own()
    monkeypatch.setattr(bench.sender, "commit", lost)
    with pytest.raises(PermanentError):
        bench.handle(place, [], 0, 1)
    assert bench.feed.finished == []


def test_a_new_owner_reads_the_control_log_to_the_epoch_the_last_one_committed(bench: Bench) -> None:
    bench.own(offset=4, metadata=Mark(9, "bus.exchange.old", 9).text())
    assert bench.policy.asked == [9]


def test_a_new_owner_announces_itself_and_its_epoch_before_any_record(bench: Bench) -> None:
    place = bench.own(offset=4, metadata=Mark(0, "bus.exchange.old", 0).text())
    bench.exchange.turn()
    offset, mark = bench.sender.done[0].offsets[place]
    assert (offset, mark.transaction, mark.epoch) == (4, "bus.exchange.test", bench.policy.state.epoch)


def test_an_end_is_confirmed_without_traffic_and_nothing_is_released_after_it(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    bench.end()
    bench.exchange.turn()
    assert bench.sender.done[-1].offsets[place][1].epoch == bench.policy.state.epoch
    bench.handle(place, [bench.event(1, "c", None, row(2))], 1)
    assert bench.ops(topic) == ["c"]


def test_what_concerns_no_owned_resource_is_not_committed(bench: Bench) -> None:
    bench.own()
    bench.exchange.turn()
    bench.publish_contract("p.q")
    count = len(bench.sender.done)
    bench.exchange.turn()
    assert len(bench.sender.done) == count
    assert bench.feed.topics == ["src.p.q", "src.p.r"]


def test_a_registry_out_of_reach_pauses_the_partition_and_makes_no_dead_letter(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    bench.registry.down = True
    foreign = FakeMessage(0, b"k1", b"\x00\x00\x00\x00\x09abc")
    bench.handle(place, [foreign], 0)
    assert bench.feed.paused == [place]
    assert (bench.sender.done, bench.feed.rewound) == ([], [{place: 0}])
    bench.registry.down = False
    bench.exchange.owned[place].retry_at = 0
    bench.exchange.turn()
    assert bench.feed.resumed == [place]
    bench.handle(place, [foreign], 0)
    assert [json.loads(v)["reason"] for v in bench.letters()] == ["unknown_schema"]
    assert bench.ops(topic) == ["d", None]


def test_an_undecodable_value_becomes_a_pointer_and_a_delete_and_its_neighbours_go_on(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    messages = [
        bench.event(0, "c", None, row(1, "x")),
        FakeMessage(1, b"k1", b"\x00\x00\x00\x00\x07secret"),
        bench.event(2, "u", row(1, "x"), row(1, "x")),
        bench.event(3, "c", None, row(2)),
    ]
    bench.handle(place, messages, 0)
    assert bench.ops(topic) == ["c", "d", None, "u", "c"]
    (letter,) = bench.letters()
    assert b"secret" not in letter
    said = json.loads(letter)
    assert {k: said[k] for k in ("topic", "partition", "offset", "grant")} == {
        "topic": "src.p.r",
        "partition": 0,
        "offset": 1,
        "grant": None,
    }
    assert bench.sender.done[0].entries(DEAD_LETTER_TOPIC)[0]["key"] == b"src.p.r:0:1"


@pytest.mark.parametrize("fields", [{"id": "pass", "note": "pass"}, {"note": "pass"}], ids=["fields", "token"])
def test_the_delete_of_an_undecodable_row_meets_the_row_it_deletes_in_both_key_modes(
    bench: Bench, fields: dict[str, str]
) -> None:
    topic = bench.open(fields=fields)
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1, "x"))], 0)
    bench.handle(place, [FakeMessage(1, b"k1", b"\x00\x00\x00\x00\x07secret")], 1)
    entries = [e for t in bench.sender.done for e in t.entries(topic)]
    assert bench.ops(topic) == ["c", "d", None]
    assert len({e["key"] for e in entries}) == 1
    assert (entries[0]["key"] == b"k1") == ("id" in fields)
    (letter,) = bench.letters()
    assert b"secret" not in letter + b"".join((e["value"] or b"") + e["key"] for e in entries)
    assert b"k1" not in letter


def test_unchanged_is_suppressed_but_not_after_a_gap(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    same = bench.event(0, "u", row(1, "x"), row(1, "x"))
    bench.handle(place, [same], 0)
    assert bench.ops(topic) == []
    bench.handle(place, [FakeMessage(1, b"k1", b"junk")], 1)
    assert len(bench.sender.done[-1].offsets[place][1].gaps) == 1
    bench.handle(place, [same], 2)
    assert bench.ops(topic) == ["d", None, "u"]
    assert bench.sender.done[-1].offsets[place][1].gaps == frozenset()
    bench.handle(place, [same], 3)
    assert bench.ops(topic) == ["d", None, "u"]


def test_a_gap_survives_the_worker(bench: Bench) -> None:
    topic = bench.open()
    epoch = bench.policy.state.epoch
    gap = bench.exchange.tools.hashed(b"k1")
    place = bench.own(offset=5, metadata=Mark(epoch, "old", epoch, gaps=frozenset([gap])).text())
    same = row(1, "x")
    bench.handle(place, [bench.event(5, "u", same, same), bench.event(6, "u", row(2), row(2))], 5)
    assert bench.ops(topic) == ["u"]


def test_more_gaps_than_fit_make_every_key_unknown(bench: Bench) -> None:
    mark = Mark(1, "t", 1).with_gaps([f"{i:08x}" for i in range(65)])
    assert mark.gaps == {ANY}
    assert len(Mark(10**9, "t" * 120, 10**9, gaps=frozenset(f"{i:08x}" for i in range(64))).text()) < 4096


def test_above_a_rate_of_faults_the_resource_stops_until_its_policy_changes(bench: Bench) -> None:
    bench.open()
    place = bench.own()
    bench.handle(place, [FakeMessage(i, b"k%d" % i, b"junk") for i in range(120)], 0)
    assert bench.feed.paused == [place]
    assert bench.sender.done == []
    bench.publish_contract()
    bench.exchange.turn()
    assert bench.feed.resumed == [place]


def test_a_missing_topic_withholds_its_grant_and_not_its_neighbour(bench: Bench) -> None:
    gone, there = bench.open("s.g"), bench.open("s.h")
    opened = bench.policy.state.grants["s.g"].opened
    bench.topics.gone = {gone}
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert (bench.ops(gone), bench.ops(there)) == ([], ["c"])
    assert bench.sender.done[0].offsets[place][1].off == {opened}
    bench.topics.gone = set()
    bench.handle(place, [bench.event(1, "c", None, row(2))], 1)
    assert bench.ops(gone) == []  # until it was given what it missed
    assert bench.ops(there) == ["c", "c"]


def test_a_topic_that_refuses_withholds_its_grant_with_the_next_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, there = bench.open("s.g"), bench.open("s.h")
    place = bench.own()
    accept, refusals = bench.sender.commit, [Aborted("msg_size_too_large", {small: "msg_size_too_large"})]

    def refuse_once(*args: Any) -> None:
        if refusals:
            raise refusals.pop()
        accept(*args)

    monkeypatch.setattr(bench.sender, "commit", refuse_once)
    for _ in range(2):
        bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert (bench.ops(small), bench.ops(there)) == ([], ["c"])
    assert bench.sender.done[0].offsets[place][1].off == {bench.policy.state.grants["s.g"].opened}


def test_an_event_too_large_is_a_dead_letter_and_a_delete_and_its_neighbours_go_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "MAX_EVENT_BYTES", 500)
    topic = bench.open()
    place = bench.own()
    messages = [bench.event(0, "c", None, row(1, "x" * 600)), bench.event(1, "c", None, row(2))]
    bench.handle(place, messages, 0)
    assert bench.ops(topic) == ["d", None, "c"]
    assert [json.loads(v)["reason"] for v in bench.letters()] == ["too_large"]


def test_a_view_that_compiles_to_another_schema_than_it_was_opened_with_is_withheld(bench: Bench) -> None:
    topic = bench.open()
    grants = bench.policy.state.grants
    bench.policy.state = replace(bench.policy.state, grants={"s.g": replace(grants["s.g"], fingerprint="0" * 64)})
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    assert bench.sender.done[0].entries(topic) == []
    assert bench.sender.done[0].offsets[place][1].off == {grants["s.g"].opened}


def test_equal_views_differ_by_schema_id_alone(bench: Bench) -> None:
    one, two = bench.open("s.g"), bench.open("s.h")
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    a, b = (bench.sender.done[0].entries(t)[0]["value"] for t in (one, two))
    assert a[5:] == b[5:]
    assert a[:5] != b[:5]
    assert bench.ops(two) == ["c"]


def test_a_resource_without_contract_is_consumed_and_its_offsets_committed(bench: Bench) -> None:
    place = bench.own("p.none")
    bench.handle(place, [FakeMessage(0, b"k", b"junk")], 0)
    assert bench.sender.done[0].offsets[place][0] == 1
    assert bench.letters() == []


def test_tombstones_in_the_source_are_consumed(bench: Bench) -> None:
    topic = bench.open()
    place = bench.own()
    bench.handle(place, [bench.event(0, "d", row(1), None), FakeMessage(1, b"k1", None)], 0)
    assert bench.ops(topic) == ["d", None]
    assert bench.letters() == []


def test_a_grant_opened_after_records_waits_for_its_history_and_nobody_waits_for_it(bench: Bench) -> None:
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1))], 0)
    topic = bench.open()
    bench.handle(place, [bench.event(1, "c", None, row(2))], 1)
    assert bench.ops(topic) == []
    assert (bench.feed.paused, bench.feed.rewound) == ([], [])
    assert bench.exchange.owned[place].next == 2


def test_a_partition_taken_away_is_not_announced_for(bench: Bench) -> None:
    place = bench.own()
    bench.exchange.revoked([place])
    bench.exchange.turn()
    assert bench.sender.done == []
    assert bench.exchange.owned == {}


def test_offsets_without_our_text_make_no_grant_live(bench: Bench) -> None:
    bench.open()
    place = bench.own(offset=3, metadata="")
    assert bench.exchange.owned[place].mark.live == -1
    assert place == Place("src.p.r", 0)
