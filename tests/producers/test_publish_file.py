"""A CSV file through the adapter and the publisher into a real Kafka."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from infra.runtime.metrics import REGISTRY
from producers.patience import INTERRUPTED_S
from producers.run import publish_file
from schemas.errors import ConfigError, TransientError
from schemas.ids import source_topic
from schemas.text import Text
from tests.producers.conftest import Bench, drain


def _ops(bench: Bench) -> Counter[str]:
    return Counter(e["op"] for e in bench.events())


def test_unchanged_file_publishes_nothing_and_a_changed_one_its_differences_with_before(bench: Bench) -> None:
    lines = [f"k{n},{n},2003-02-08" for n in range(100)]
    first = publish_file(bench.settings, bench.mapping(), bench.file(lines))
    again = publish_file(bench.settings, bench.mapping(), bench.file(lines))
    lines[5] = "k5,500,2003-02-08"
    third = publish_file(bench.settings, bench.mapping(), bench.file([*lines[:99], "new,1,N/A"]))
    assert (first.published, again.published, again.unchanged) == ({"c": 100}, {}, 100)
    assert third.published == {"u": 1, "c": 1, "d": 1}
    tail = {e["op"]: e for e in bench.events()[100:]}
    assert tail["u"]["before"]["amount"] == 5 and tail["u"]["after"]["amount"] == 500
    assert tail["d"]["before"]["code"] == "k99" and tail["d"]["after"] is None
    assert len({e["event_id"] for e in bench.events()}) == 103


def test_full_file_that_would_delete_too_much_publishes_nothing_until_told(bench: Bench) -> None:
    lines = [f"k{n},{n},N/A" for n in range(20)]
    publish_file(bench.settings, bench.mapping(), bench.file(lines))
    with pytest.raises(ConfigError, match="delete 2 of 20"):
        publish_file(bench.settings, bench.mapping(), bench.file(lines[:18]))
    assert _ops(bench) == {"c": 20}
    report = publish_file(bench.settings, bench.mapping(), bench.file(lines[:18]), accept_deletes=True)
    assert report.published == {"d": 2}


def test_increment_deletes_nothing(bench: Bench) -> None:
    publish_file(bench.settings, bench.mapping(mode="increment"), bench.file(["a,1,N/A", "b,2,N/A"]))
    report = publish_file(bench.settings, bench.mapping(mode="increment"), bench.file(["a,3,N/A"]))
    assert report.published == {"u": 1}


def test_bad_rows_are_quarantined_without_their_values_and_the_run_goes_on(bench: Bench) -> None:
    lines = ["a,1,2003-02-08", "b,-77123,2003-02-08", "c,1,2003-02-30", ",1,N/A", "e,1", "a,9,N/A", "a,1,2003-02-08"]
    report = publish_file(bench.settings, bench.mapping(), bench.file(lines))
    found = [(q["row"], q["field"], q["reason"]) for q in bench.quarantined()]
    assert sorted(found, key=str) == sorted(
        [(3, "amount", "min"), (4, "day", "not_a_date"), (5, "code", "required"), (6, None, "cells"),
         (7, None, "duplicate_key")], key=str)  # fmt: skip
    assert (report.published, report.quarantined_rows, report.repeated) == ({"c": 1}, 5, 1)
    assert report.quarantine_file is not None
    assert "77123" not in report.quarantine_file.read_text()
    assert report.quarantine_file.parent.stat().st_mode & 0o777 == 0o700


def test_lost_state_is_refused_and_published_again_as_a_snapshot_when_told(bench: Bench) -> None:
    file = bench.file(["a,1,N/A"])
    publish_file(bench.settings, bench.mapping(), file)
    for path in (bench.settings.home / "state" / "adapters").iterdir():
        path.unlink()
    with pytest.raises(ConfigError, match="do not belong together"):
        publish_file(bench.settings, bench.mapping(), file)
    assert publish_file(bench.settings, bench.mapping(), file, snapshot=True).published == {"r": 1}


_RUN = """
import os, signal, sys
from pathlib import Path
from infra.runtime.settings import Settings
from producers.adapters.file.adapter import FileAdapter
from producers.publisher import Publisher
from producers.run import publish_file
point, nth, home, mapping, file, bootstrap, registry = sys.argv[1:]
calls = 0
def dying(owner, name, before):
    real = getattr(owner, name)
    def call(self, *args):
        global calls
        calls += 1
        if before and calls == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)
        out = real(self, *args)
        if not before and calls == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)
        return out
    setattr(owner, name, call)
if point == "unprepared": dying(FileAdapter, "prepare", True)
elif point == "uncommitted": dying(Publisher, "_finish", True)
elif point == "committed": dying(Publisher, "_finish", False)
elif point == "applied": dying(FileAdapter, "committed", False)
publish_file(Settings(home=Path(home), bootstrap_servers=bootstrap, registry_url=registry), Path(mapping), Path(file),
             batch_rows=50)
"""


def test_kill_9_at_every_point_loses_nothing_and_doubles_nothing(bench: Bench) -> None:
    mapping, file = bench.mapping(), bench.file([f"k{n},{n},N/A" for n in range(400)])
    s = bench.settings
    for nth, point in enumerate(("unprepared", "uncommitted", "committed", "applied"), 1):
        _killed(bench, point, min(nth, 2), mapping, file)
    publish_file(s, mapping, file)
    keys = Counter(e["key"]["code"] for e in bench.events())
    assert keys == Counter({f"k{n}": 1 for n in range(400)})
    assert publish_file(s, mapping, file).published == {}
    # the same while rows are updated and deleted: 120 updates make three batches, 15 deletes one
    lines = [f"k{n},{n + (n < 120)},N/A" for n in range(385)]
    for nth, point in ((1, "uncommitted"), (1, "committed"), (2, "applied"), (1, "unprepared"), (1, "committed")):
        _killed(bench, point, nth, mapping, bench.file(lines))
    publish_file(s, mapping, bench.file(lines))
    assert _ops(bench) == {"c": 400, "u": 120, "d": 15}
    assert _replayed(bench) == {f"k{n}": n + (n < 120) for n in range(385)}


def _killed(bench: Bench, point: str, nth: int, mapping: Path, file: Path) -> None:
    s = bench.settings
    args = [point, str(nth), str(s.home), str(mapping), str(file), str(s.bootstrap_servers), str(s.registry_url)]
    ended = subprocess.run([sys.executable, "-c", _RUN, *args], timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL


def _replayed(bench: Bench) -> dict[str, int]:
    """What a reader of the topic holds in the end; every `before` is what it held."""
    held: dict[str, int] = {}
    for e in bench.events():
        code, before = e["key"]["code"], e["before"]
        assert held.get(code) == (before and before["amount"])
        if e["after"] is None:
            del held[code]
        else:
            held[code] = e["after"]["amount"]
    return held


def test_a_file_that_changes_while_it_is_read_is_read_anew(bench: Bench) -> None:
    file = bench.file([f"k{n},{n},N/A" for n in range(200)])
    changes = 0

    def writer(stage: str, rows: int) -> None:
        nonlocal changes
        if (stage, changes) == ("check", 0) or (stage, rows, changes) == ("publish", 100, 1):
            changes += 1
            bench.file([f"k{n},{n + changes},N/A" for n in range(200)])

    waits: list[float] = []
    report = publish_file(
        bench.settings, bench.mapping(), file, progress=writer, wait=waits.append, batch_rows=50
    )  # fmt: skip
    assert (changes, len(waits), report.rows) == (2, 2, 200)
    assert _replayed(bench) == {f"k{n}": n + 2 for n in range(200)}


def test_a_file_that_never_holds_still_ends_the_run_after_the_retries_there_are(bench: Bench) -> None:
    file = bench.file([f"k{n},{n},N/A" for n in range(10)])

    def writer(stage: str, rows: int) -> None:
        with file.open("a", encoding="utf-8") as out:
            out.write("x,1,N/A\n")

    waits: list[float] = []
    with pytest.raises(TransientError, match="changed while it was read"):
        publish_file(bench.settings, bench.mapping(), file, progress=writer, wait=waits.append)
    assert waits[:5] == [0.25, 0.5, 1.0, 2.0, 4.0] and sum(waits) <= INTERRUPTED_S
    assert bench.events() == []


def test_a_snapshot_cut_short_goes_on_as_a_snapshot(bench: Bench) -> None:
    file = bench.file([f"k{n},{n},N/A" for n in range(200)])
    publish_file(bench.settings, bench.mapping(), file)

    def breaker(stage: str, rows: int) -> None:
        if (stage, rows) == ("publish", 100):
            raise ConfigError(Text("cut short", "中断"))

    with pytest.raises(ConfigError, match="cut short"):
        publish_file(bench.settings, bench.mapping(), file, snapshot=True, progress=breaker, batch_rows=50)
    report = publish_file(bench.settings, bench.mapping(), file)
    assert (report.published, report.unchanged) == ({"r": 100}, 100)
    assert publish_file(bench.settings, bench.mapping(), file).published == {}
    assert _ops(bench) == {"c": 200, "r": 200}


def test_a_new_mapping_or_contract_converts_every_row_again_and_publishes_what_differs(bench: Bench) -> None:
    file = bench.file(["a,1,N/A", "b,2.5,N/A"])
    publish_file(bench.settings, bench.mapping(), file)
    columns = {"code": {"column": "编号"}, "amount": {"column": "金额", "convert": ["money_cents"]}}
    report = publish_file(bench.settings, bench.mapping(columns=columns), file)
    assert (report.published, report.unchanged) == ({"u": 1, "c": 1}, 0)
    assert publish_file(bench.settings, bench.mapping(columns=columns), file).unchanged == 2


def test_rows_written_differently_but_meaning_the_same_are_unchanged(bench: Bench) -> None:
    publish_file(bench.settings, bench.mapping(), bench.file(["a,1,2003-02-08"]))
    for _ in range(2):
        report = publish_file(bench.settings, bench.mapping(), bench.file(['a," 1 ",2003年2月8日']))
        assert (report.published, report.unchanged) == ({}, 1)


def test_what_a_run_keeps_is_closed_to_others_and_its_notes_are_gone(bench: Bench) -> None:
    publish_file(bench.settings, bench.mapping(), bench.file(["a,1,N/A", "b,-1,N/A"]))
    kept = sorted(p for p in bench.settings.home.rglob("*"))
    assert {p.stat().st_mode & 0o777 for p in kept if p.is_file()} == {0o600}
    assert {p.stat().st_mode & 0o777 for p in kept if p.is_dir()} == {0o700}
    assert {p.suffix for p in kept if p.is_file()} == {".db", ".lock", ".jsonl"}


def test_what_is_published_and_kept_back_is_counted_once(bench: Bench) -> None:
    def count(name: str, **labels: str) -> float | None:
        return REGISTRY.get_sample_value(name, {"resource": bench.resource, **labels})

    publish_file(bench.settings, bench.mapping(), bench.file(["a,1,N/A", "b,-1,N/A", "c,x,N/A"]))
    publish_file(bench.settings, bench.mapping(), bench.file(["a,2,N/A", "b,3,N/A"]))
    assert [count("bus_published_events_total", op=op) for op in "cudr"] == [2, 1, None, None]
    assert count("bus_quarantined_rows_total", reason="min") == 1
    assert count("bus_quarantined_rows_total", reason="not_a_whole_number") == 1
    size = sum(len(m.value()) for m in drain(bench.settings, source_topic(bench.resource)))
    assert count("bus_published_bytes_total") == size
    assert count("bus_publish_batch_seconds_count") == 2


def _binary(path: Path) -> None:
    path.write_bytes(os.urandom(2000) + b"\x00")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (_binary, "not a CSV"),
        ("编码,金额,日期\na,1,N/A\n".encode(), "lacks '编号'"),
        ('编号,金额,日期\na,1,N/A\n"b,1,N/A\n'.encode(), "never closed"),
        ("编号,金额,日期\n".encode() + b"a" * (9 << 20), "longer than"),
        ("编号,金额,日期\n".encode() + b"\xff\xff,1,2\n", "neither UTF-8"),
    ],
)
def test_bad_file_is_one_clear_error_and_nothing_is_published(bench: Bench, content: object, message: str) -> None:
    file = bench.folder / "data.csv"
    content(file) if callable(content) else file.write_bytes(content)  # type: ignore[arg-type, func-returns-value]
    with pytest.raises(ConfigError, match=message) as caught:
        publish_file(bench.settings, bench.mapping(), file)
    assert str(file) in str(caught.value)
    assert bench.events() == []


def test_a_file_without_a_header_is_refused_without_a_word_of_its_first_record(bench: Bench) -> None:
    file = bench.folder / "data.csv"
    file.write_bytes("520103199001011234,张三丰,2003-02-08\n".encode())
    with pytest.raises(ConfigError, match="names none of the mapping's columns") as caught:
        publish_file(bench.settings, bench.mapping(), file)
    for language in ("en", "zh"):
        assert "张三丰" not in caught.value.message(language)
        assert "520103" not in caught.value.message(language)


def test_gb18030_and_a_byte_order_mark_are_read(bench: Bench) -> None:
    file = bench.folder / "data.csv"
    file.write_bytes("编号,金额,日期\n甲,1,N/A\n".encode("gb18030"))
    publish_file(bench.settings, bench.mapping(), file)
    file.write_bytes("编号,金额,日期\n甲,1,N/A\n".encode("utf-8-sig"))
    assert publish_file(bench.settings, bench.mapping(), file).unchanged == 1
    with pytest.raises(ConfigError, match="not gb18030"):
        publish_file(bench.settings, bench.mapping(encoding="gb18030"), file)
