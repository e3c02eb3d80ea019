"""Files of changes: rolled by size and age, listed by a true manifest, private, and nothing lost or twice when things break."""

from __future__ import annotations

import base64
import datetime as dt
import fcntl
import hashlib
import math
import os
import re
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from consumers.catalogue import shown, sink_for
from consumers.events import Place, Tombstone
from consumers.sink import Zombie
from consumers.sinks.files import finish, manifest
from consumers.sinks.files.settings import FilesSettings
from consumers.sinks.files.sink import FilesSink
from consumers.values import json_text
from consumers.view import Column
from schemas.errors import ConfigError, PermanentError, TransientError
from tests.kit.change_files import ask, current, feed_of, state_of
from tests.kit.sink_conformance import a_view, batch, event

FORMATS = ("parquet", "csv", "jsonl")
VIEW = a_view()


class Clock:
    """Seconds, moved by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=FORMATS)
def sink(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Iterator[FilesSink]:
    made = a_sink(tmp_path, clock, kind=request.param)
    yield made
    made.close()


def a_sink(root: Path, clock: Clock | None = None, *, kind: Any = "parquet", **options: Any) -> FilesSink:
    settings = FilesSettings(folder=root, format=kind, **options)
    return FilesSink(settings) if clock is None else FilesSink(settings, monotonic=clock)


def fill(sink: FilesSink, start: int, end: int) -> None:
    """Creates with offsets from `start` to before `end`, one batch."""
    sink.write(
        batch(*(event("c", str(n), n, {"amount": n, "name": "x" * 100}) for n in range(start, end)), start=start)
    )


def offsets(root: Path) -> list[int]:
    return [r["_offset"] for r in feed_of(files(root))]


def files(root: Path) -> Path:
    return current(root / VIEW.table)


def test_rows_are_in_a_finished_file_once_it_is_old_enough(sink: FilesSink, clock: Clock, tmp_path: Path) -> None:
    sink.open(VIEW)
    clock.now = 1000
    fill(sink, 0, 3)
    clock.now = 1299
    sink.tend()
    assert manifest.read(files(tmp_path)).files == ()
    clock.now = 1300
    sink.tend()
    assert [f.rows for f in manifest.read(files(tmp_path)).files] == [3]
    clock.now = 5000
    sink.tend()
    assert len(manifest.read(files(tmp_path)).files) == 1, "without rows there is no file"


def test_a_file_is_finished_once_it_is_large_enough(tmp_path: Path) -> None:
    sink = a_sink(tmp_path, roll_mb=0.05)
    sink.open(VIEW)
    for start in range(0, 3000, 100):
        fill(sink, start, start + 100)
    sink.tend(ending=True)
    sink.close()
    found = manifest.read(files(tmp_path)).files
    assert len(found) > 3
    assert max(f.rows for f in found) <= 500
    assert offsets(tmp_path) == list(range(3000))


def test_a_clean_end_leaves_everything_in_files(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    fill(sink, 0, 5)
    sink.tend(ending=True)
    sink.close()
    assert offsets(tmp_path) == [0, 1, 2, 3, 4]
    assert [p.name for p in files(tmp_path).iterdir() if p.stat().st_size and p.name.startswith("part")] == [
        manifest.read(files(tmp_path)).files[0].name
    ]


def test_the_manifest_tells_rows_size_checksum_and_offsets_of_every_file(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    for start in (0, 7, 20):
        fill(sink, start, start + (7 if start == 0 else 13))
        sink.tend(ending=True)
    found = manifest.read(files(tmp_path))
    assert [(f.rows, f.events, f.partitions[0].first, f.partitions[0].next) for f in found.files] == [
        (7, 7, 0, 7),
        (13, 13, 7, 20),
        (13, 13, 20, 33),
    ]
    for entry in found.files:
        content = (files(tmp_path) / entry.name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert (found.positions, found.events, found.grant, found.generation) == ({0: 33}, 33, VIEW.grant, 1)
    assert [(c.name, c.type, c.key, c.title) for c in found.columns][:2] == [
        ("id", "text", True, "编号"),
        ("name", "text", False, "名称; drop table --"),
    ]


def test_folders_and_files_are_for_their_owner_alone(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    fill(sink, 0, 2)
    sink.tend(ending=True)
    fill(sink, 2, 4)
    below = [p for p in (tmp_path / VIEW.table).rglob("*") if not p.is_symlink()]
    assert len(below) == 5, "a lock, a generation, a file, a manifest and a journal"
    assert {stat.S_IMODE(p.stat().st_mode) for p in below if p.is_file()} == {0o600}
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / VIEW.table, files(tmp_path))} == {0o700}


def test_every_change_is_a_row_and_a_delete_has_its_key_alone(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    row = {"amount": 1}
    sink.write(batch(event("r", "1", 0, row), event("u", "1", 1, row), event("c", "2", 2, row), event("d", "1", 3)))
    sink.tend(ending=True)
    found = [(r["_op"], r["_partition"], r["_offset"], r["id"], r["amount"]) for r in feed_of(files(tmp_path))]
    assert found == [("r", 0, 0, "1", 1), ("u", 0, 1, "1", 1), ("c", 0, 2, "2", 1), ("d", 0, 3, "1", None)]
    assert {r["_released_at"].isoformat() for r in feed_of(files(tmp_path))} == {"1970-01-01T00:00:00+00:00"}


def test_a_tombstone_is_a_delete_without_a_time_unless_its_delete_is_there(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    with_delete = (event("d", "1", 0), Tombstone({"id": "1"}, Place(0, 1)))
    alone = (Tombstone({"id": "2"}, Place(0, 2)), event("c", "1", 3), Tombstone({"id": "1"}, Place(0, 4)))
    sink.write(batch(*with_delete, *alone))
    sink.tend(ending=True)
    found = [(r["_op"], r["_offset"], r["_released_at"] is None) for r in feed_of(files(tmp_path))]
    assert found == [("d", 0, False), ("d", 2, True), ("c", 3, False), ("d", 4, True)]
    assert (manifest.read(files(tmp_path)).files[0].rows, manifest.read(files(tmp_path)).events) == (4, 2)


def test_identifiers_and_formulas_stay_the_text_they_are(tmp_path: Path) -> None:
    sink = a_sink(tmp_path, kind="csv")
    sink.open(VIEW)
    texts = ["00520103198502280011", "=1+1", 'a "quoted", text\nof two lines', "", None, "NULL"]
    sink.write(batch(*(event("c", f"0{n}", n, {"name": text}) for n, text in enumerate(texts))))
    sink.tend(ending=True)
    sink.close()
    (path,) = files(tmp_path).glob("*.csv")
    assert path.read_text(encoding="utf-8").startswith('"_op","_released_at","_partition","_offset","id","name"')
    assert {r["id"]: r["name"] for r in state_of(files(tmp_path))} == {f"0{n}": t for n, t in enumerate(texts)}


def test_values_at_the_edge_of_their_types_come_back(sink: FilesSink, tmp_path: Path) -> None:
    ends = [dt.datetime.fromisoformat(t) for t in ("0001-01-01T00:00:00", "9999-12-31T23:59:59.999999")]
    kinds: dict[str, list[Any]] = {
        "timestamp": list(ends),
        "local": list(ends),
        "date": [dt.date.min, dt.date.max],
        "time": [dt.time.min, dt.time.max],
        "double": [math.inf, -1.5e300],
        "bytes": [b"", b"\xff" * 3],
        "decimal": [Decimal("0.00"), Decimal("-9999999999999999.99")],
        "text": ["\u2028\t\x01\r", "𠮷'\"\\"],
        "json": [{"a": {"名": [math.nan]}}, []],
    }
    columns = [Column("id", "id", "text", True)]
    columns += [Column(f"a_{k}", f"a_{k}", k, False, "", 18, 2) for k in kinds]  # type: ignore[arg-type]
    sink.open(a_view(columns=columns))
    rows = [{f"a_{k}": v[n] for k, v in kinds.items()} for n in range(2)]
    sink.write(batch(*(event("c", str(n), n, row) for n, row in enumerate(rows))))
    sink.tend(ending=True)
    found = sorted(state_of(files(tmp_path)), key=lambda r: r["id"])
    parquet = manifest.read(files(tmp_path)).format == "parquet"
    for row, was in zip(found, rows, strict=True):
        was["a_timestamp"] = was["a_timestamp"].replace(tzinfo=dt.UTC)
        was["a_json"] = json_text(was["a_json"])
        was["a_bytes"] = was["a_bytes"] if parquet else base64.b64encode(was["a_bytes"]).decode()
        assert {k: row[k] for k in was} == was


def test_parquet_carries_the_titles_of_table_and_columns(tmp_path: Path) -> None:
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    fill(sink, 0, 1)
    sink.tend(ending=True)
    sink.close()
    (path,) = files(tmp_path).glob("*.parquet")
    schema = pq.read_schema(path)
    assert schema.metadata[b"title"].decode() == VIEW.title
    assert schema.field("id").metadata[b"title"].decode() == "编号"


def test_released_columns_called_as_ours_keep_their_names(sink: FilesSink, tmp_path: Path) -> None:
    view = a_view(columns=[*VIEW.columns, Column("_OP", "_OP", "text", False)])
    sink.open(view)
    sink.write(batch(event("c", "1", 0, {"_OP": "theirs"})))
    sink.tend(ending=True)
    (row,) = feed_of(files(tmp_path))
    assert (row["__op"], row["_OP"]) == ("c", "theirs")
    assert state_of(files(tmp_path)) == [{"id": "1", "name": None, "amount": None, "_OP": "theirs"}]


def test_the_query_in_the_readme_gives_the_rows_as_they_are_now(tmp_path: Path) -> None:
    readme = Path(__file__).parents[2] / "consumers" / "README.md"
    (query,) = re.findall(r"```sql\n(SELECT \* EXCLUDE.*?)```", readme.read_text(encoding="utf-8"), re.S)
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    fill(sink, 0, 3)
    sink.tend(ending=True)
    sink.write(batch(event("u", "0", 3, {"name": "new"}), event("d", "1", 4), start=3))
    sink.tend(ending=True)
    sink.close()
    found = ask(query.replace("delivery/shuiwu__enterprise__2026___001", str(tmp_path / VIEW.table)))
    assert {r["id"]: r["name"] for r in found} == {"0": "new", "2": "x" * 100}


@pytest.mark.parametrize("cut", [1, 17, 64, 200])
@pytest.mark.parametrize("damage", ["cut off", "zeros", "one bit"])
def test_a_damaged_end_of_the_journal_gives_back_its_positions_with_its_rows(
    tmp_path: Path, damage: str, cut: int
) -> None:
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    fill(sink, 0, 5)
    fill(sink, 5, 9)
    path = finish.journal_of(files(tmp_path), 1)
    content = path.read_bytes()
    tail = {
        "cut off": b"",
        "zeros": b"\0" * cut,
        "one bit": bytes([content[-cut] ^ 1]) + content[len(content) - cut + 1 :],
    }
    damaged = content[:-cut] + tail[damage]
    path.write_bytes(damaged)
    sink.close()
    again = a_sink(tmp_path)
    held = again.open(VIEW)
    left = 9 if damaged == content else 5  # the end may have been zeros before
    assert (held.positions, held.events) == ({0: left}, left)
    fill(again, left, 12)
    again.tend(ending=True)
    again.close()
    assert offsets(tmp_path) == list(range(12))


def test_a_journal_of_which_nothing_is_whole_is_an_empty_one(tmp_path: Path) -> None:
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    sink.close()
    for content in (b"", b"\0" * 4096, b"busJ"):
        finish.journal_of(files(tmp_path), 1).write_bytes(content)
        held = sink.open(VIEW)
        sink.close()
        assert (held.positions, held.events) == ({0: 0}, 0)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("before", ["the file", "the manifest", "the journal goes", "the next journal"])
def test_a_process_that_ends_while_it_finishes_a_file_leaves_every_row_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    fill(sink, 0, 5)

    def end(*arguments: Any, **named: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if before == "the journal goes":
            patch.setattr(Path, "unlink", _end_at(".journal-"))
        else:
            patch.setattr(
                *{
                    "the file": (Path, "replace"),
                    "the manifest": (manifest, "write"),
                    "the next journal": (os, "pwrite"),
                }[before],
                end,
            )
        with pytest.raises(Killed):
            sink.tend(ending=True)
    again = a_sink(tmp_path)
    assert dict(again.open(VIEW).positions) == {0: 5}
    fill(again, 5, 8)
    again.tend(ending=True)
    again.close()
    assert offsets(tmp_path) == list(range(8))
    assert sum(f.rows for f in manifest.read(files(tmp_path)).files) == 8


def _end_at(prefix: str) -> Any:
    unlink = Path.unlink

    def end(path: Path, missing_ok: bool = False) -> None:
        if path.name.startswith(prefix) and not missing_ok:
            raise Killed
        unlink(path, missing_ok=missing_ok)

    return end


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Writing beyond `size` bytes of a file fails, as on a full disk: with EFBIG where that gives ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_in_a_write_is_transient_and_leaves_the_journal_as_it_was(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    fill(sink, 0, 5)
    size = finish.journal_of(files(tmp_path), 1).stat().st_size
    with largest_file(size + 700), pytest.raises(TransientError, match="EFBIG"):
        fill(sink, 5, 500)
    assert finish.journal_of(files(tmp_path), 1).stat().st_size == size
    assert dict(sink.open(VIEW).positions) == {0: 5}
    fill(sink, 5, 500)
    sink.tend(ending=True)
    assert offsets(tmp_path) == list(range(500))


def test_a_full_disk_while_a_file_is_finished_is_transient_and_leaves_no_half_of_it(
    sink: FilesSink, tmp_path: Path
) -> None:
    sink.open(VIEW)
    fill(sink, 0, 500)
    with largest_file(600), pytest.raises(TransientError, match="EFBIG"):
        sink.tend(ending=True)
    assert sorted(p.name for p in files(tmp_path).iterdir()) == [".journal-00000001", "manifest.json"]
    with largest_file(600), pytest.raises(TransientError, match="EFBIG"):
        sink.open(VIEW)
    assert dict(sink.open(VIEW).positions) == {0: 500}
    assert offsets(tmp_path) == list(range(500))


def test_a_folder_that_cannot_be_made_is_transient(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(TransientError, match="ENOTDIR"):
        a_sink(tmp_path / "file" / "delivery").open(VIEW)


def test_a_process_that_holds_the_lock_is_waited_for_by_the_runner(tmp_path: Path) -> None:
    sink = a_sink(tmp_path, lock_timeout_s=0.05)
    sink.open(VIEW)
    with (tmp_path / VIEW.table / ".lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TransientError):
            fill(sink, 0, 1)
    assert dict(sink.open(VIEW).positions) == {0: 0}
    fill(sink, 0, 1)
    sink.close()


def test_whoever_opens_last_goes_on_and_the_other_does_not_finish_its_file(tmp_path: Path) -> None:
    zombie, successor = a_sink(tmp_path), a_sink(tmp_path)
    zombie.open(VIEW)
    fill(zombie, 0, 5)
    assert dict(successor.open(VIEW).positions) == {0: 5}
    fill(successor, 5, 8)
    with pytest.raises(Zombie):
        zombie.tend(ending=True)
    with pytest.raises(Zombie):
        fill(zombie, 5, 6)
    successor.tend(ending=True)
    zombie.close()
    successor.close()
    assert offsets(tmp_path) == list(range(8))


def test_a_journal_damaged_in_use_is_transient_and_read_again(tmp_path: Path) -> None:
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    fill(sink, 0, 5)
    fill(sink, 5, 9)
    path = finish.journal_of(files(tmp_path), 1)
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\xff" * 50)
    with pytest.raises(TransientError):
        sink.tend(ending=True)
    assert dict(sink.open(VIEW).positions) == {0: 5}
    sink.close()


def test_of_an_earlier_generation_nothing_lingers_and_what_is_not_ours_stays(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    fill(sink, 0, 5)
    sink.tend(ending=True)
    (tmp_path / VIEW.table / "notes.txt").write_text("of the department")
    sink.open(a_view(generation=2, topic_id="id-2"))
    left = sorted(p.name for p in (tmp_path / VIEW.table).iterdir())
    assert left == [".lock", "current", "g2", "notes.txt"]
    assert feed_of(files(tmp_path)) == []


def test_a_folder_of_another_format_is_refused_and_made_anew_when_asked(tmp_path: Path) -> None:
    first, other = a_sink(tmp_path), a_sink(tmp_path, kind="csv")
    first.open(VIEW)
    fill(first, 0, 5)
    first.close()
    with pytest.raises(ConfigError, match="parquet"):
        other.open(VIEW)
    assert dict(other.open(VIEW, rebuild=True).positions) == {0: 0}
    other.close()


@pytest.mark.parametrize("content", [None, b"{}", b'{"version": 1'])
def test_without_its_manifest_a_folder_is_refused_until_it_is_made_anew(tmp_path: Path, content: bytes | None) -> None:
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    fill(sink, 0, 5)
    sink.close()
    path = files(tmp_path) / manifest.NAME
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(PermanentError, match="rebuild"):
        sink.open(VIEW)
    assert dict(sink.open(VIEW, rebuild=True).positions) == {0: 0}
    sink.close()


def test_a_journal_that_does_not_follow_its_manifest_is_refused(tmp_path: Path) -> None:
    sink = a_sink(tmp_path)
    sink.open(VIEW)
    fill(sink, 0, 5)
    sink.close()
    held = manifest.read(files(tmp_path))
    manifest.write(files(tmp_path), held.model_copy(update={"positions": {0: 3}}))
    with pytest.raises(PermanentError, match="manifest"):
        sink.open(VIEW)
    assert offsets(tmp_path) == []


def test_a_narrower_generation_has_only_its_columns(sink: FilesSink, tmp_path: Path) -> None:
    sink.open(VIEW)
    fill(sink, 0, 1)
    narrower = replace(a_view(generation=2, topic_id="id-2"), columns=VIEW.columns[:2])
    sink.open(narrower)
    sink.write(batch(event("c", "1", 0)))
    sink.tend(ending=True)
    assert [set(r) for r in feed_of(files(tmp_path))] == [
        {"_op", "_released_at", "_partition", "_offset", "id", "name"}
    ]


@pytest.mark.parametrize(
    "url",
    [
        "parquet:",
        "csv:?roll_s=1",
        "parquet:x?roll_mb=0",
        "parquet:x?roll_mb=many",
        "parquet:x?roll=1",
        "parquet:x?roll_s",
        "jsonl:x?roll_s=1&roll_s=2",
        "csv:x?folder=y",
        "csv:x?format=parquet",
    ],
)
def test_an_address_that_is_wrong_is_a_persons_mistake(url: str) -> None:
    with pytest.raises(ConfigError):
        sink_for(url)


def test_an_address_with_options_is_shown_whole() -> None:
    assert shown("parquet:delivery?roll_s=5") == "parquet:delivery?roll_s=5"
