"""The examples do what they say, as a department runs them: by name, with addresses from the environment."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from consumers import Event
from consumers.examples import copy_to_sqlite, fan_out, print_changes
from tests.conftest import Cluster
from tests.kit.grant_feed import GrantFeed

ROOM = Path(copy_to_sqlite.__file__).parent.parent


@pytest.fixture
def feed(cluster: Cluster, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GrantFeed:
    made = GrantFeed(cluster.settings, unique, partitions=2)
    made.open()
    monkeypatch.setenv("BUS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BUS_BOOTSTRAP_SERVERS", cluster.bootstrap_servers)
    monkeypatch.setenv("BUS_REGISTRY_URL", cluster.registry_url)
    return made


@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_five_lines_of_the_page_print_a_change(feed: GrantFeed, page: str) -> None:
    text = (ROOM / page).read_text(encoding="utf-8")
    program = text[text.index("from consumers import Event, Subscriber") :].partition("```")[0]
    program = program.replace("shuiwu.enterprise.2026-001", feed.grant_id).replace(', credentials="shuiwu.yaml"', "")
    feed.send([("c", "1", {"name": "甲"})])
    printed: list[tuple[object, ...]] = []

    def show(*words: object) -> None:
        printed.append(words)
        feed.end()

    exec(program, {"print": show})
    assert printed == [("c", {"id": "1"}, {"id": "1", "name": "甲", "amount": None})]


def test_print_changes_prints_each_and_the_end(feed: GrantFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    feed.send([("c", "1", {"name": "甲"})])
    said: list[str] = []

    def show(*words: object) -> None:
        said.append(" ".join(map(str, words)))
        if len(said) == 2:
            feed.end()

    monkeypatch.setattr(print_changes, "print", show, raising=False)
    print_changes.main(feed.grant_id)
    generation, change, end = said
    assert generation == "generation 1 (first): id, name, amount"
    assert change == "c {'id': '1'} {'id': '1', 'name': '甲', 'amount': None}"
    assert "has ended (revoked); everything released before its end was read" in end


def test_copy_to_sqlite_equals_the_model_and_applies_nothing_twice(feed: GrantFeed, tmp_path: Path) -> None:
    path = str(tmp_path / "copy.db")
    feed.send([("c", f"k{i}", {"amount": i}) for i in range(300)])
    copy_to_sqlite.main(feed.grant_id, path, "caught_up")
    feed.send([("d", f"k{i}", None) for i in range(0, 300, 3)])
    copy_to_sqlite.main(feed.grant_id, path, "caught_up")
    copy_to_sqlite.main(feed.grant_id, path, "caught_up")
    with closing(sqlite3.connect(path)) as db:
        kept = {row[0] for row in db.execute("SELECT json_extract(key, '$.id') FROM copy")}
        (changes,) = db.execute("SELECT changes FROM progress").fetchone()
    assert (kept, changes) == ({f"k{i}" for i in range(300) if i % 3}, 400)


def test_fan_out_loses_nothing_keeps_each_keys_order_and_acknowledges_what_is_done(feed: GrantFeed) -> None:
    feed.send([("c", f"k{i % 50}", {"amount": i}) for i in range(1_000)])
    seen: dict[str, list[int]] = {}

    async def work(event: Event) -> None:
        assert event.after is not None
        await asyncio.sleep(event.after["amount"] % 3 / 1_000)
        seen.setdefault(event.key["id"], []).append(event.after["amount"])

    async def refuse(event: Event) -> None:
        raise AssertionError("everything was acknowledged")

    assert asyncio.run(fan_out.main(feed.grant_id, work, "caught_up")) is None
    assert seen == {f"k{k}": list(range(k, 1_000, 50)) for k in range(50)}
    asyncio.run(fan_out.main(feed.grant_id, refuse, "caught_up"))
