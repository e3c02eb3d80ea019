"""The runner of deliveries with a webhook and with a workbook: budgets, amendments, the end of a grant, a clean end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from python_calamine import CalamineWorkbook

from consumers.deliver import deliver
from consumers.sinks.webhook.letters import letters
from schemas.errors import PermanentError
from tests.conftest import Cluster
from tests.kit.grant_feed import GrantFeed
from tests.kit.webhook_receiver import Receiver, answer, drop, receiving


@pytest.fixture
def feed(cluster: Cluster, unique: str) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique)
    made.open()
    return made


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path) as made:
        yield made


def told(receiver: Receiver) -> list[tuple[int, str, str]]:
    """Generation, operation and key of each event of each request."""
    data = [s.message["data"] for s in receiver.seen]
    return [(d["generation"], e["op"], e["key"]["id"]) for d in data for e in d.get("events", ())]


def test_the_runner_waits_as_asked_and_tries_again_until_it_is_accepted(
    feed: GrantFeed, receiver: Receiver, tmp_path: Path
) -> None:
    file = receiver.settings_file(tmp_path / "hook.yaml")
    feed.send([("c", "1", {"name": "甲"}), ("c", "2", None), ("d", "1", None)])
    receiver.next_answers += [answer(204), answer(503, {"retry-after": "1"}), drop, answer(500)]
    report = deliver(feed.settings, feed.grant_id, f"webhook:{file}", until="caught_up")
    assert (report.retries, report.events, report.held_events, report.rejected) == (3, 3, 3, 0)
    assert receiver.ask("SELECT count(*), max(times) FROM counted") == [(3, 1)]
    assert receiver.ask("SELECT key FROM rows") == [('{"id": "2"}',)]


def test_gone_stops_the_delivery_and_the_next_one_goes_on_where_it_was(
    feed: GrantFeed, receiver: Receiver, tmp_path: Path
) -> None:
    file = receiver.settings_file(tmp_path / "hook.yaml")
    feed.send([("c", "1", None)])
    receiver.next_answers += [answer(204), answer(410)]
    with pytest.raises(PermanentError, match="410 Gone"):
        deliver(feed.settings, feed.grant_id, f"webhook:{file}", until="caught_up")
    assert deliver(feed.settings, feed.grant_id, f"webhook:{file}", until="caught_up").events == 1
    assert receiver.ask("SELECT count(*), max(times) FROM counted") == [(1, 1)]


def test_what_is_skipped_is_a_letter_that_names_the_records(
    feed: GrantFeed, receiver: Receiver, tmp_path: Path
) -> None:
    file = receiver.settings_file(tmp_path / "hook.yaml", undeliverable="skip", budget={"attempts": 2}, batch_events=1)
    feed.send([("c", "1", {"name": "张三"}), ("c", "2", None)])
    receiver.next_answers += [answer(204), answer(422), answer(422)]
    report = deliver(feed.settings, feed.grant_id, f"webhook:{file}", until="caught_up")
    (letter,) = letters(file)
    assert (letter.grant, letter.topic, letter.first, letter.events) == (feed.grant_id, feed.topic, 0, 1)
    assert (report.rejected, report.held_events) == (1, 2)
    assert receiver.ask("SELECT key FROM rows") == [('{"id": "2"}',)]


def test_an_amended_grant_begins_its_table_anew_at_the_receiver(
    feed: GrantFeed, receiver: Receiver, tmp_path: Path
) -> None:
    file = receiver.settings_file(tmp_path / "hook.yaml")
    feed.send([("c", "old", None)])
    deliver(feed.settings, feed.grant_id, f"webhook:{file}", until="caught_up")
    feed.fields = feed.fields[:2]
    feed.open()
    feed.send([("r", "new", {"name": "甲"})])
    report = deliver(feed.settings, feed.grant_id, f"webhook:{file}", until="caught_up")
    assert report.generation == 2
    assert [(json.loads(k), json.loads(r)) for k, r in receiver.ask("SELECT key, row FROM rows")] == [
        ({"id": "new"}, {"id": "new", "name": "甲"})
    ]


def test_once_the_grant_has_ended_not_even_what_was_announced_is_sent(
    feed: GrantFeed, receiver: Receiver, tmp_path: Path
) -> None:
    file = receiver.settings_file(tmp_path / "hook.yaml", budget={"attempts": 1})
    feed.send([("c", "1", {"name": "张三"})])
    receiver.next_answers += [answer(204), answer(500)]
    with pytest.raises(PermanentError, match="nothing was skipped"):
        deliver(feed.settings, feed.grant_id, f"webhook:{file}", until="caught_up")
    feed.end()
    before = len(receiver.seen)
    report = deliver(feed.settings, feed.grant_id, f"webhook:{file}")
    assert (report.ended, report.cut_off, report.events) == ("revoked", True, 0)
    assert len(receiver.seen) == before


def test_a_clean_end_leaves_the_workbook_as_the_rows_are(feed: GrantFeed, tmp_path: Path) -> None:
    path = tmp_path / "shuiwu.xlsx"
    feed.send([("c", "520103198502280011", {"name": "=1+1", "amount": 5}), ("c", "2", None), ("d", "2", None)])
    report = deliver(feed.settings, feed.grant_id, f"excel:{path}", until="caught_up")
    book = CalamineWorkbook.from_path(path)
    assert book.get_sheet_by_name("数据").to_python() == [
        ["字段 id", "字段 name", "字段 amount"],
        ["520103198502280011", "'=1+1", 5.0],
    ]
    said = {row[0]: row[1] for row in book.get_sheet_by_name("说明").to_python()}
    assert said["使用目的 / Purpose"] == "综合治税"
    assert said["有效期 / Valid"] == "2026-01-01 – 2099-12-31"
    assert (report.events, report.sink) == (3, f"excel:{path}")
