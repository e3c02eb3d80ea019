"""Keys that change while the exchange runs: it takes up new ones, and never goes on under a secret that is not announced."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from schemas.clock import end_of_day_ms, shanghai_date
from schemas.errors import ConfigError, TransientError
from schemas.key_ring import KeyRing, MasterSecret
from schemas.policy_log import KeysAnnounced
from schemas.text import Text
from stream_apps.exchange.gaps import KeyHash
from stream_apps.exchange.key_watch import KeyWatch
from stream_apps.exchange.marks import ANY, Mark
from tests.stream_apps.exchange.fakes import NOW, RING, Bench, FakeMessage, row

TODAY = shanghai_date(NOW)
OLD = RING.secrets[1]
YESTERDAY = TODAY - dt.timedelta(days=1)
ROTATED = KeyRing(
    {1: MasterSecret(1, OLD.secret, "sha256", TODAY), 2: MasterSecret(2, b"n" * 32, "sm3")}, 2, "ring of the test"
)
FIELDS = {"id": "pass", "note": {"mask": "pseudonym", "previous": True}}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.publish_contract()
    return made


def announce(bench: Bench, secret: MasterSecret, until: dt.date | None = None) -> None:
    bench.fold(
        KeysAnnounced(
            version=secret.version, suite=secret.suite, fingerprint=secret.fingerprint, until=until, at=0, by="t"
        )
    )


class Custodian:
    """Gives what it is told to, and counts how often it was asked."""

    def __init__(self, answer: KeyRing | Exception) -> None:
        self.answer, self.asked = answer, 0

    def __call__(self) -> KeyRing:
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def watch(bench: Bench, custodian: Custodian) -> KeyWatch:
    def failed(error: BaseException) -> None:
        raise AssertionError(error)

    return KeyWatch(bench.exchange, custodian, failed)


def notes(bench: Bench, topic: str) -> list[dict[str, Any]]:
    return [e["after"] for e in bench.events(topic) if e is not None and e["after"] is not None]


def test_another_secret_announced_while_it_runs_ends_the_process_before_another_event(bench: Bench) -> None:
    topic = bench.open(fields=FIELDS)
    place = bench.own()
    bench.handle(place, [bench.event(0, "c", None, row(1, "x"))], 0)
    announce(bench, MasterSecret(2, b"never seen here"))
    bench.handle(place, [bench.event(1, "c", None, row(2, "x"))], 1)
    bench.exchange.turn()
    announce(bench, MasterSecret(1, b"another secret" + bytes(18)))
    with pytest.raises(ConfigError, match="another secret"):
        bench.exchange.turn()
    with pytest.raises(ConfigError, match="another secret"):
        bench.handle(place, [bench.event(2, "c", None, row(3, "x"))], 2)
    assert len(notes(bench, topic)) == 2


def test_a_grant_under_a_version_not_here_waits_for_the_custodian_and_then_gets_its_history(bench: Bench) -> None:
    first = bench.open("s.g", fields=FIELDS)
    place = bench.own(offset=0, metadata=Mark(bench.policy.state.epoch, "t", bench.policy.state.epoch).text())
    bench.handle(place, [bench.event(0, "c", None, row(1, "x"))], 0)
    custodian = Custodian(ROTATED)
    keys = watch(bench, custodian)
    keys.look(0.0)
    assert custodian.asked == 0, "nothing was missing"
    second = bench.open("s.g", generation=2, fields=FIELDS, key_version=2)
    opened = bench.policy.state.grants["s.g"].opened
    bench.handle(place, [bench.event(1, "c", None, row(2, "x"))], 1)
    assert notes(bench, second) == []
    assert opened in bench.exchange.owned[place].mark.off
    assert [w.reason for w in rules(bench).withheld] == ["key_unknown"]
    keys.look(0.1)
    assert custodian.asked == 1
    [lane] = rules(bench).lanes
    assert (lane.keys.version, lane.keys.suite, lane.grant.opened) == (2, "sm3", opened)
    assert bench.exchange.owned[place].pending([lane]) == [lane]
    assert [n["note"][:2] for n in notes(bench, first)] == ["1-"]


def rules(bench: Bench) -> Any:
    return bench.exchange.tools.book.rules(bench.policy.state, "p.r")


def test_a_version_gone_from_the_ring_withholds_its_grants_and_no_others(bench: Bench) -> None:
    bench.open("s.g", fields=FIELDS)
    bench.open("s.h", fields={"id": "pass"})
    bench.exchange.renew(KeyRing({2: ROTATED.secrets[2]}, 2))
    found = rules(bench)
    assert [(w.grant.grant.id, w.reason) for w in found.withheld] == [("s.g", "key_retired")]
    assert [v.grant.grant.id for v in found.lanes] == ["s.h"]


def test_a_custodian_out_of_reach_is_asked_again_at_growing_distances_and_at_once_for_news(bench: Bench) -> None:
    custodian = Custodian(TransientError(Text("down", "down")))
    keys = watch(bench, custodian)
    bench.open(fields=FIELDS, key_version=2)
    asked = []
    for tenth in range(100):
        before = custodian.asked
        keys.look(tenth / 10)
        asked += [tenth / 10] * (custodian.asked - before)
    assert asked == [0.0, 0.5, 1.5, 3.5, 7.5]
    bench.open("s.h")
    keys.look(10.0)
    assert custodian.asked == 6
    custodian.answer = ROTATED
    keys.look(10.5)
    assert bench.exchange.tools.book.ring == ROTATED


def test_a_ring_that_contradicts_the_log_is_not_taken_over(bench: Bench) -> None:
    announce(bench, OLD)
    bench.open(fields=FIELDS, key_version=2)
    wrong = KeyRing({1: MasterSecret(1, b"w" * 32, until=TODAY), 2: ROTATED.secrets[2]}, 2)
    watch(bench, Custodian(wrong)).look(0.0)
    assert bench.exchange.tools.book.ring == RING


def test_the_end_of_a_version_holds_from_its_announcement_on_also_where_the_ring_is_still_the_old_one(
    bench: Bench,
) -> None:
    topic = bench.open(fields=FIELDS)
    place = bench.own()
    announce(bench, OLD)
    bench.handle(place, [bench.event(0, "c", None, row(1, "x"))], 0)
    announce(bench, OLD, TODAY)
    bench.handle(place, [bench.event(1, "c", None, row(2, "x"))], 1)
    assert rules(bench).lanes[0].keys.until_ms == end_of_day_ms(TODAY)
    announce(bench, OLD, YESTERDAY)
    bench.handle(place, [bench.event(2, "c", None, row(3, "x")), FakeMessage(3, b"k1", b"junk")], 2)
    assert [n["id"] for n in notes(bench, topic)] == ["k1", "k2"]
    assert bench.ops(topic) == ["c", "c"], "not even the delete of a faulty row"


def test_an_announced_end_makes_it_ask_for_the_ring_that_has_it(bench: Bench) -> None:
    announce(bench, OLD)
    custodian = Custodian(ROTATED)
    keys = watch(bench, custodian)
    keys.look(0.0)
    announce(bench, OLD, TODAY)
    keys.look(0.1)
    keys.look(60.0)
    assert (custodian.asked, bench.exchange.tools.book.ring) == (1, ROTATED)


def test_a_gap_is_remembered_across_a_rotation_and_closed_after_it(bench: Bench) -> None:
    topic = bench.open(fields={"id": "pass", "note": "pass"})
    place = bench.own()
    bench.handle(place, [FakeMessage(0, b"k1", b"junk")], 0)
    [gap] = bench.exchange.owned[place].mark.gaps
    bench.exchange.renew(ROTATED)
    assert bench.exchange.tools.hashed(b"k1") != gap
    same, other = row(1, "x"), row(2, "x")
    bench.handle(place, [bench.event(1, "u", other, other), bench.event(2, "u", same, same)], 1)
    assert [n["id"] for n in notes(bench, topic)] == ["k1"], "only what may not have been delivered is told again"
    assert bench.exchange.owned[place].mark.gaps == frozenset()


def test_a_gap_hashed_under_a_key_that_is_gone_makes_every_key_unknown(bench: Bench) -> None:
    topic = bench.open(fields={"id": "pass", "note": "pass"})
    epoch = bench.policy.state.epoch
    for gap in (KeyHash(KeyRing({7: MasterSecret(7, b"g" * 32)}, 7))(b"k9"), "5f0c1a2b"):
        place = bench.own(offset=5, metadata=Mark(epoch, "old", epoch, gaps=frozenset([gap])).text())
        bench.handle(place, [bench.event(5, "u", row(1), row(1))], 5)
        assert bench.exchange.owned[place].mark.gaps == {ANY}
    assert bench.ops(topic) == ["u", "u"]


def test_as_many_gaps_as_are_kept_fit_into_a_mark() -> None:
    hashed = KeyHash(ROTATED)
    gaps = frozenset(hashed(b"k%d" % i) for i in range(64))
    assert len(gaps) == 64
    assert len(Mark(10**9, "t" * 120, 10**9, off=frozenset(range(10**9, 10**9 + 100)), gaps=gaps).text()) < 4096
