"""The webhook sink passes the conformance suite against a real receiver, and holds against one that misbehaves."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from consumers.catalogue import sink_for
from consumers.events import Batch, Place, Step, Tombstone
from consumers.rejections import Rejection, rejections
from consumers.sink import RetryLater, Sink, Zombie
from consumers.sinks.webhook.letters import letters
from consumers.sinks.webhook.settings import load_settings
from consumers.sinks.webhook.sink import WebhookSink
from consumers.values import json_text
from consumers.view import Kind, View
from schemas.errors import PermanentError, TransientError
from tests.infra.bus.command import bus
from tests.kit.sink_conformance import SinkConformance, a_view, batch, event
from tests.kit.webhook_receiver import SECRET, Receiver, answer, certificate_for, drip, drop, receiving


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as made:
        yield made


class WebhookTarget:
    """A receiver that keeps a table."""

    def __init__(self, receiver: Receiver, file: Path) -> None:
        self.receiver, self.address = receiver, f"webhook:{receiver.settings_file(file)}"

    def sink(self) -> Sink:
        return sink_for(self.address)

    def rows(self, view: View) -> list[dict[str, Any]]:
        found = self.receiver.ask("SELECT key, row FROM rows WHERE grant_id = ?", [view.grant])
        return [json.loads(key) | json.loads(row) for key, row in found]

    def titles(self, view: View) -> Mapping[str, str]:
        data = next(s.message["data"] for s in reversed(self.receiver.seen) if s.message["type"] == "view.opened")
        return {"": data["title"]} | {c["name"]: c["title"] for c in data["columns"] if c["title"]}

    def stored(self, kind: Kind, value: Any) -> Any:
        if kind == "json":
            return json.loads(json_text(value))
        if kind == "bytes":
            return base64.b64encode(value).decode()
        if kind == "timestamp":
            return value.replace(tzinfo=dt.UTC).isoformat()
        if kind == "decimal":
            return str(value)
        return value.isoformat() if kind in ("date", "time", "local") else value


class TestWebhookSink(SinkConformance):
    sees_rows = False

    @pytest.fixture
    def target(self, receiver: Receiver, tmp_path: Path) -> WebhookTarget:
        return WebhookTarget(receiver, tmp_path / "hook.yaml")


@pytest.fixture
def file(receiver: Receiver, tmp_path: Path) -> Path:
    return receiver.settings_file(tmp_path / "hook.yaml", timeout_s=5, batch_events=2)


@pytest.fixture
def sink(file: Path) -> Iterator[WebhookSink]:
    made = WebhookSink(load_settings(file))
    yield made
    made.close()


def ids(receiver: Receiver) -> list[str]:
    return [s.id for s in receiver.seen if s.message["type"] == "view.events"]


def keys(receiver: Receiver) -> set[str]:
    return {json.loads(key)["id"] for (key,) in receiver.ask("SELECT key FROM rows")}


def three(start: int = 0) -> Any:
    return batch(*(event("c", str(n), n) for n in range(start, start + 3)), start=start)


def test_a_request_holds_consecutive_events_with_their_places(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    sink.write(batch(event("c", "1", 4, {"name": "甲"}), event("d", "1", 6), start=0, end=8))
    opened, events = (s.message for s in receiver.seen)
    assert opened["type"] == "view.opened"
    assert [c["name"] for c in opened["data"]["columns"]] == ["id", "name", "amount"]
    nothing = {"before": None, "released_at": 0}
    assert events == {
        "type": "view.events",
        "data": {
            **{
                "grant": "s.r.2026-001",
                "generation": 1,
                "topic": "grant.s.r.g1",
                "partition": 0,
                "first": 0,
                "next": 8,
            },
            "events": [
                {
                    **{"op": "c", "key": {"id": "1"}, "after": {"id": "1", "name": "甲", "amount": None}, **nothing},
                    "place": {"partition": 0, "offset": 4},
                },
                {"op": "d", "key": {"id": "1"}, "after": None, **nothing, "place": {"partition": 0, "offset": 6}},
            ],
        },
    }


def test_a_tombstone_is_told_only_where_its_delete_is_not(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    sink.write(batch(event("d", "1", 0), Tombstone({"id": "1"}, Place(0, 1))))
    sink.write(batch(Tombstone({"id": "2"}, Place(0, 5)), start=2, end=6))
    told = [e for s in receiver.seen for e in s.message["data"].get("events", ())]
    assert [(e["op"], e["key"]["id"], e["released_at"]) for e in told] == [("d", "1", 0), ("d", "2", None)]


def test_an_error_status_is_tried_again_with_the_same_id(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    receiver.next_answers += [answer(500), answer(502)]
    for _ in range(2):
        with pytest.raises(TransientError, match="status-50"):
            sink.write(three())
        assert sink.open(a_view()).positions == {0: 0}
    sink.write(three())
    assert len(ids(receiver)) == 4
    assert len(set(ids(receiver))) == 2
    assert keys(receiver) == {"0", "1", "2"}


def test_a_connection_dropped_after_reading_is_sent_again_and_counted_once(
    sink: WebhookSink, receiver: Receiver
) -> None:
    sink.open(a_view())
    receiver.next_answers.append(drop)
    with pytest.raises(TransientError, match="connection-lost"):
        sink.write(three())
    sink.open(a_view())
    sink.write(three())
    assert ids(receiver)[0] == ids(receiver)[1]
    assert receiver.ask("SELECT offset, times FROM counted ORDER BY offset") == [(0, 1), (1, 1), (2, 1)]


def test_what_was_announced_is_sent_whole_however_the_batches_fall_after_a_restart(
    sink: WebhookSink, receiver: Receiver
) -> None:
    sink.open(a_view())
    receiver.next_answers.append(drop)
    with pytest.raises(TransientError):
        sink.write(batch(event("c", "0", 0), event("c", "1", 1)))
    held = sink.open(a_view())
    assert sink.write(batch(event("c", "0", 0))).upserted == 0
    assert (held.positions, len(ids(receiver))) == ({0: 0}, 1)
    sink.write(batch(event("c", "1", 1), event("c", "2", 2), start=1))
    assert [i.split("_")[-2:] for i in ids(receiver)] == [["0", "2"], ["0", "2"], ["2", "3"]]
    assert receiver.ask("SELECT offset, times FROM counted ORDER BY offset") == [(0, 1), (1, 1), (2, 1)]
    assert sink.open(a_view()).events == 3


def test_while_a_request_is_incomplete_a_step_that_does_not_go_on_is_refused(
    sink: WebhookSink, receiver: Receiver
) -> None:
    sink.open(a_view())
    receiver.next_answers.append(answer(500))
    with pytest.raises(TransientError):
        sink.write(batch(event("c", "0", 0), event("c", "1", 1)))
    sink.open(a_view())
    sink.write(batch(event("c", "0", 0)))
    with pytest.raises(Zombie):
        sink.write(batch(event("c", "0", 0)))


def test_what_compaction_took_from_an_announced_request_does_not_stop_it(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    receiver.next_answers.append(answer(500))
    with pytest.raises(TransientError):
        sink.write(batch(event("c", "0", 0), event("c", "0", 1)))
    sink.open(a_view())
    sink.write(batch(event("c", "0", 7), end=8))
    assert sink.open(a_view()).positions == {0: 8}
    assert [i.split("_")[-2:] for i in ids(receiver)] == [["0", "2"], ["2", "8"]]
    assert keys(receiver) == {"0"}


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_handed_to_the_runner(sink: WebhookSink, receiver: Receiver, status: int) -> None:
    sink.open(a_view())
    receiver.next_answers.append(answer(status, {"retry-after": "7"}))
    with pytest.raises(RetryLater) as caught:
        sink.write(three())
    assert caught.value.wait_s == 7


def test_retry_after_may_be_a_date_and_is_heeded_within_reason(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    receiver.next_answers.append(answer(503, {"retry-after": "Fri, 31 Dec 2199 23:59:59 GMT"}))
    with pytest.raises(RetryLater) as caught:
        sink.write(three())
    assert caught.value.wait_s == 600


@pytest.mark.parametrize("text", ["soon", "-5", "", "9" * 400])
def test_a_senseless_retry_after_does_no_harm(sink: WebhookSink, receiver: Receiver, text: str) -> None:
    sink.open(a_view())
    receiver.next_answers.append(answer(429, {"retry-after": text}))
    with pytest.raises(TransientError) as caught:
        sink.write(three())
    assert getattr(caught.value, "wait_s", 0) in (0, 600)


def test_410_stops_at_once_and_the_position_stays(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    receiver.next_answers.append(answer(410))
    with pytest.raises(PermanentError, match="410 Gone"):
        sink.write(three())
    assert sink.open(a_view()).positions == {0: 0}


def test_a_redirect_is_not_followed(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    receiver.next_answers.append(answer(307, {"location": receiver.url}))
    with pytest.raises(PermanentError, match="redirect"):
        sink.write(three())
    assert len(ids(receiver)) == 1


def test_a_huge_answer_is_not_read(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    sent: list[int] = []

    def flood(handler: Any) -> None:
        handler.apply()
        handler.send_response(200)
        handler.send_header("content-length", str(1 << 40))
        handler.end_headers()
        handler.close_connection = True
        try:
            while True:
                sent.append(handler.wfile.write(b"x" * 65536))
        except OSError:
            return

    receiver.next_answers.append(flood)
    assert sink.write(batch(event("c", "1", 0))).upserted == 1
    sink.write(batch(event("c", "2", 1), start=1))
    assert keys(receiver) == {"1", "2"}
    assert sum(sent) < 1 << 26  # what fits into the sockets' buffers, not a terabyte


def test_an_answer_that_drips_is_cut_at_the_deadline(receiver: Receiver, tmp_path: Path) -> None:
    sink = WebhookSink(load_settings(receiver.settings_file(tmp_path / "x.yaml", timeout_s=0.5)))
    sink.open(a_view())
    receiver.next_answers.append(drip(30))
    with pytest.raises(TransientError, match="timeout"):
        sink.write(three())
    sink.close()


def test_a_receiver_that_is_not_there_is_transient(tmp_path: Path) -> None:
    with receiving(tmp_path) as gone:
        file = gone.settings_file(tmp_path / "x.yaml")
    with pytest.raises(TransientError, match="unreachable"):
        WebhookSink(load_settings(file)).open(a_view())


def test_after_the_budget_the_delivery_stops_and_a_new_run_begins_a_new_budget(
    receiver: Receiver, tmp_path: Path
) -> None:
    file = receiver.settings_file(tmp_path / "x.yaml", budget={"attempts": 2})
    sink = WebhookSink(load_settings(file))
    for _ in range(2):
        sink.open(a_view())
        receiver.next_answers += [answer(500), answer(500)]
        with pytest.raises(TransientError):
            sink.write(three())
        sink.open(a_view())
        with pytest.raises(PermanentError, match=r"attempt 2.*nothing was skipped"):
            sink.write(three())
    assert sink.open(a_view()).positions == {0: 0}
    assert sink.write(three()).upserted == 3
    assert letters(file) == []
    sink.close()


def test_the_budget_is_also_one_of_time_and_outlives_the_process(receiver: Receiver, tmp_path: Path) -> None:
    settings = load_settings(receiver.settings_file(tmp_path / "x.yaml", budget={"seconds": 60}))
    for now, kind in ((0, TransientError), (59_000, TransientError), (60_000, PermanentError)):
        sink = WebhookSink(settings, now_ms=lambda now=now: now)  # type: ignore[misc]
        sink.open(a_view())
        receiver.next_answers.append(answer(500))
        with pytest.raises(kind):
            sink.write(three())
        sink.close()


def test_skipping_leaves_a_pointer_without_content_and_goes_on(receiver: Receiver, tmp_path: Path) -> None:
    file = receiver.settings_file(tmp_path / "x.yaml", budget={"attempts": 1}, undeliverable="skip", batch_events=1)
    sink = WebhookSink(load_settings(file), now_ms=lambda: 1234)
    sink.open(a_view())
    receiver.next_answers += [answer(422), answer(204)]
    written = sink.write(batch(event("c", "1", 0, {"name": "张三"}), event("c", "2", 1)))
    sink.close()
    (letter,) = letters(file, "s.r.2026-001")
    assert (letter.topic, letter.partition, letter.first, letter.next) == ("grant.s.r.g1", 0, 0, 1)
    assert (letter.events, letter.reason, letter.at) == (1, "status-422", 1234)
    assert (written.upserted, written.rejected) == (1, 1)
    assert letters(file, "another") == []
    for kept in tmp_path.glob("x.state.db*"):
        assert "张三".encode() not in kept.read_bytes()
    assert sink.open(a_view()).positions == {0: 2}
    sink.close()


def test_its_dead_letters_are_listed_as_those_of_any_sink_newest_first(receiver: Receiver, tmp_path: Path) -> None:
    file = receiver.settings_file(tmp_path / "x.yaml", budget={"attempts": 1}, undeliverable="skip", batch_events=2)
    assert rejections(f"webhook:{file}") == []
    times = iter([1000, 2000])
    sink = WebhookSink(load_settings(file), now_ms=lambda: next(times))
    sink.open(a_view())
    receiver.next_answers += [answer(422), answer(500)]
    sink.write(three())
    sink.close()
    grant = a_view().grant
    assert rejections(f"webhook:{file}") == [
        Rejection(grant, 0, 2, 3, "status-500", 2000),
        Rejection(grant, 0, 0, 2, "status-422", 1000),
    ]
    listed = bus("dead-letters", "list", "--sink", f"webhook:{file}", home=tmp_path)
    assert [line.split("\t")[:3] for line in listed.stdout.splitlines() if grant in line] == [
        [grant, "0:2", "status-500"],
        [grant, "0:0-1", "status-422"],
    ]


def test_the_message_that_a_table_begins_anew_is_never_skipped(receiver: Receiver, tmp_path: Path) -> None:
    file = receiver.settings_file(tmp_path / "x.yaml", budget={"attempts": 1}, undeliverable="skip")
    sink = WebhookSink(load_settings(file))
    receiver.next_answers.append(answer(500))
    with pytest.raises(PermanentError):
        sink.open(a_view())
    sink.open(a_view())
    assert [s.message["type"] for s in receiver.seen] == ["view.opened"] * 2
    assert receiver.seen[0].id == receiver.seen[1].id
    sink.close()


def test_filled_anew_the_ids_are_new_so_that_nothing_is_taken_for_seen(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    sink.write(three())
    sink.open(a_view(), rebuild=True)
    assert keys(receiver) == set()
    sink.write(three())
    assert keys(receiver) == {"0", "1", "2"}
    assert len(set(ids(receiver))) == len(ids(receiver)) == 4


def test_a_lost_state_fills_the_receiver_anew(sink: WebhookSink, receiver: Receiver, tmp_path: Path) -> None:
    sink.open(a_view())
    sink.write(three())
    sink.close()
    for kept in tmp_path.glob("hook.state.db*"):
        kept.unlink()
    assert sink.open(a_view()).positions == {0: 0}
    sink.write(three())
    assert len(set(ids(receiver))) == 4


def test_the_state_is_for_its_owner_alone(sink: WebhookSink, tmp_path: Path) -> None:
    sink.open(a_view())
    sink.write(three())
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.glob("hook.state.db*")}
    assert modes == {"hook.state.db": 0o600, "hook.state.db-wal": 0o600, "hook.state.db-shm": 0o600}


def test_of_two_secrets_both_sign(receiver: Receiver, tmp_path: Path) -> None:
    file = receiver.settings_file(tmp_path / "x.yaml")
    secret = tmp_path / "x.secret"
    secret.write_text("whsec_" + base64.b64encode(b"x" * 24).decode() + "\n" + secret.read_text())
    sink = WebhookSink(load_settings(file))
    sink.open(a_view())
    sink.write(three())
    sink.close()
    assert [len(h["webhook-signature"].split()) for h in receiver.headers] == [2, 2]
    assert keys(receiver) == {"0", "1", "2"}


def test_over_tls_the_certificate_must_be_the_hosts(tmp_path: Path) -> None:
    right, wrong = (
        certificate_for(tmp_path / "a.pem", "127.0.0.1"),
        certificate_for(tmp_path / "b.pem", "other.example"),
    )
    with receiving(tmp_path, certificate=right) as receiver:
        sink = WebhookSink(load_settings(receiver.settings_file(tmp_path / "x.yaml", ca_file=str(right))))
        sink.open(a_view())
        assert sink.write(three()).upserted == 3
        sink.close()
    with receiving(tmp_path, certificate=wrong) as receiver:
        file = receiver.settings_file(
            tmp_path / "y.yaml", ca_file=str(wrong), undeliverable="skip", budget={"attempts": 1}
        )
        with pytest.raises(PermanentError, match=r"certificate is not accepted: .*127\.0\.0\.1"):
            WebhookSink(load_settings(file)).open(a_view())
        assert receiver.seen == []


def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    own = certificate_for(tmp_path / "a.pem", "127.0.0.1")
    with receiving(tmp_path, certificate=own) as receiver:
        with pytest.raises(PermanentError, match="certificate is not accepted"):
            WebhookSink(load_settings(receiver.settings_file(tmp_path / "x.yaml"))).open(a_view())
        assert receiver.seen == []


def test_a_name_is_resolved_once_for_its_connection_and_its_certificate_is_checked(tmp_path: Path) -> None:
    own = certificate_for(tmp_path / "a.pem", "receiver.example")
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with receiving(tmp_path, certificate=own) as receiver:
        url = receiver.url.replace("127.0.0.1", "receiver.example")
        settings = load_settings(receiver.settings_file(tmp_path / "x.yaml", url=url, ca_file=str(own)))
        sink = WebhookSink(settings, resolve=resolve)
        sink.open(a_view())
        sink.write(three())
        assert asked == ["receiver.example"]
        sink.open(a_view())  # a new connection, and by now the name points elsewhere
        with pytest.raises(PermanentError, match=r"169\.254\.169\.254"):
            sink.write(three(3))
        sink.close()
        assert {h["host"] for h in receiver.headers} == {url.split("/")[2]}


def test_the_receiver_on_the_page_is_the_one_these_tests_deliver_to() -> None:
    room = Path(__file__).parents[2] / "consumers" / "sinks" / "webhook"
    code = (room / "examples" / "receiver.py").read_text().split("# receive: begin\n")[1].split("# receive: end")[0]
    assert f"```python\n{code.strip()}\n```" in (room / "README.md").read_text()


def test_the_example_program_serves_and_refuses_a_wrong_signature(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "consumers.sinks.webhook.examples.receiver", str(tmp_path / "rows.db")]
    url, hosts = f"http://127.0.0.1:{port}/", Receiver(tmp_path / "rows.db")
    hosts.url = url
    file = hosts.settings_file(tmp_path / "x.yaml")
    environment = os.environ | {"WEBHOOK_SECRET": SECRET}
    process = subprocess.Popen([*program, str(port)], env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not listening(port):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        sink = WebhookSink(load_settings(file))
        sink.open(a_view())
        sink.write(three())
        assert keys(hosts) == {"0", "1", "2"}
        (tmp_path / "x.secret").write_text("whsec_" + base64.b64encode(b"y" * 24).decode())
        sink.open(a_view())
        with pytest.raises(TransientError, match="status-401"):
            sink.write(three(3))
        sink.close()
    finally:
        process.kill()
        process.wait()


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_two_deliverers_of_one_state_cannot_cut_the_same_offsets_differently(
    sink: WebhookSink, file: Path, receiver: Receiver
) -> None:
    sink.open(a_view())
    other = WebhookSink(load_settings(file))
    other.open(a_view())
    receiver.next_answers.append(answer(500))
    with pytest.raises(TransientError):
        other.write(batch(event("c", "0", 0), event("c", "1", 1)))
    before = len(receiver.seen)
    with pytest.raises(Zombie):
        sink.write(batch(event("c", "0", 0)))
    assert len(receiver.seen) == before
    other.close()


def test_a_deliverer_that_was_replaced_sends_nothing(sink: WebhookSink, file: Path, receiver: Receiver) -> None:
    sink.open(a_view())
    successor = WebhookSink(load_settings(file))
    successor.open(a_view(), rebuild=True)
    before = len(receiver.seen)
    with pytest.raises(Zombie):
        sink.write(three())
    assert len(receiver.seen) == before
    successor.close()


def test_a_receiver_that_never_answers_is_given_up_at_the_deadline(receiver: Receiver, tmp_path: Path) -> None:
    sink = WebhookSink(load_settings(receiver.settings_file(tmp_path / "x.yaml", timeout_s=0.3)))
    sink.open(a_view())
    over = threading.Event()
    receiver.next_answers.append(lambda handler: over.wait(30))
    with pytest.raises(TransientError, match="timeout"):
        sink.write(three())
    over.set()
    sink.close()


def test_the_body_of_an_answer_is_not_waited_for(sink: WebhookSink, receiver: Receiver) -> None:
    sink.open(a_view())
    over, in_time = threading.Event(), []

    def promise(handler: Any) -> None:
        handler.apply()
        handler.send_response(200)
        handler.send_header("content-length", "10")
        handler.end_headers()
        handler.close_connection = True
        in_time.append(over.wait(4.5))

    receiver.next_answers.append(promise)
    assert sink.write(three()).upserted == 3  # its deadline is after 5 s
    over.set()
    deadline = time.monotonic() + 10
    while not in_time:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert in_time == [True]
    assert keys(receiver) == {"0", "1", "2"}


def test_an_answer_that_is_not_http_is_tried_again(sink: WebhookSink, receiver: Receiver) -> None:
    def babble(handler: Any) -> None:
        handler.wfile.write(b"SSH-2.0-hello\r\n\r\n")
        handler.close_connection = True

    sink.open(a_view())
    receiver.next_answers.append(babble)
    with pytest.raises(TransientError, match="connection-lost"):
        sink.write(three())


@pytest.mark.parametrize("limit", [{"batch_events": 3}, {"batch_bytes": 1_000}])
def test_a_batch_is_cut_within_the_limits_and_in_order(
    receiver: Receiver, tmp_path: Path, limit: dict[str, int]
) -> None:
    sink = WebhookSink(load_settings(receiver.settings_file(tmp_path / "x.yaml", **limit)))
    sink.open(a_view(partitions=2))
    records = [event("c", f"{p}{n}", n, {"name": "名" * 40}, partition=p) for n in range(8) for p in (0, 1)]
    sink.write(Batch(records, {0: Step(0, 8, 8), 1: Step(0, 8, 8)}))
    sink.close()
    data = [s.message["data"] for s in receiver.seen[1:]]
    assert len(data) == 6 if "batch_events" in limit else len(data) > 4
    for partition in (0, 1):
        own = [d for d in data if d["partition"] == partition]
        assert [e["place"]["offset"] for d in own for e in d["events"]] == list(range(8))
        assert [d["first"] for d in own] == [0, *(d["next"] for d in own[:-1])]
        assert own[-1]["next"] == 8
    sizes = [len(json.dumps(d["events"], ensure_ascii=False).encode()) for d in data]
    assert max(sizes) < 2_000
