"""`bus preview` keeps the interface that approvers' tools rely on."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.contract import load_contract
from schemas.grant import load_grants
from schemas.key_ring import KeyRing, MasterSecret
from schemas.key_ring_file import ring_text
from stream_apps.policy import compile_view, derive_keys
from tests.infra.bus.command import bus
from tests.infra.control.world import contract_source, grant_document


@pytest.fixture
def files(tmp_path: Path) -> Path:
    source = contract_source("w.r")
    source["fields"].append({"name": "since", "type": {"type": "int", "logicalType": "date"}})
    granted = grant_document(
        "w", fields={"uscc": "pass", "person": "pseudonym", "since": "pass"}, where="since >= DATE '2000-01-01'"
    )
    (tmp_path / "c.avsc").write_text(json.dumps(source), encoding="utf-8")
    (tmp_path / "g.yaml").write_text(yaml.safe_dump(granted), encoding="utf-8")
    old, new = row("A", "1999-12-31"), row("B", "2020-02-29")
    events: list[dict[str, Any]] = [
        {"op": "c", "before": None, "after": row("A", "2020-02-29")},
        {"op": "c", "before": None, "after": old},
        {"op": "u", "before": row("A", "2020-02-29"), "after": new},
        {"op": "d", "before": new, "after": None},
    ]
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events), encoding="utf-8")
    return tmp_path


def row(uscc: str, since: str) -> dict[str, Any]:
    return {"uscc": uscc, "name": None, "person": "王小明", "since": since}


def preview(folder: Path, *more: object) -> tuple[int, str, str]:
    done = bus(
        "preview",
        "--contract",
        folder / "c.avsc",
        "--grant",
        folder / "g.yaml",
        "--events",
        folder / "e.jsonl",
        *more,
        home=folder / "nowhere",
    )
    return done.returncode, done.stdout, done.stderr


def test_one_line_out_for_each_line_in_in_order(files: Path) -> None:
    code, out, err = preview(files, "--json")
    answers = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [a["n"] for a in answers] == [0, 1, 2, 3]
    assert all(set(a) == {"n", "emitted", "reason"} for a in answers)
    assert [[e["op"] for e in a["emitted"]] for a in answers] == [["c"], [], ["d", "c"], ["d"]]
    assert answers[1]["reason"]
    assert answers[0]["emitted"][0].keys() == {"op", "key", "before", "after"}
    assert answers[0]["emitted"][0]["key"] == {"uscc": "A"}
    assert answers[0]["emitted"][0]["after"]["since"] == "2020-02-29"
    assert "王小明" not in out


def test_the_pseudonym_key_decides_pseudonyms_and_without_one_they_are_documented(files: Path) -> None:
    key = files / "k"
    key.write_text("11" * 32)
    key.chmod(0o600)
    first, again = preview(files, "--json")[1], preview(files, "--json")[1]
    other = preview(files, "--json", "--key-file", key)[1]
    assert first == again != other


def test_a_preview_key_may_be_readable_by_all_in_capitals_and_with_a_newline(files: Path) -> None:
    key, same = files / "k", files / "same"
    key.write_text("AB" * 32 + "\n")
    same.write_text("ab" * 32)
    for path in (key, same):
        path.chmod(0o644)
    first = preview(files, "--json", "--key-file", key)
    assert first == preview(files, "--json", "--key-file", same)
    assert (first[0], first[2]) == (0, "")


@pytest.mark.parametrize(
    ("content", "said"),
    [("ab" * 31, "31 bytes"), ("zz" * 32, "hexadecimal"), ("", "0 bytes"), (None, "cannot be read")],
)
def test_a_wrong_preview_key_is_one_json_error_without_the_key(files: Path, content: str | None, said: str) -> None:
    if content is not None:
        (files / "k").write_text(content)
    code, out, err = preview(files, "--json", "--key-file", files / "k")
    error = json.loads(err)["error"]
    assert (code, out, error["where"]) == (2, "", str(files / "k"))
    assert said in error["message"]
    assert not content or content not in err


@pytest.mark.parametrize(
    "change", [{"fields": {"nowhere": "pass"}}, {"where": "person = 'x'"}, {"resource": "other.r"}]
)
def test_a_rejected_grant_is_one_json_error_and_exit_code_2(files: Path, change: dict[str, Any]) -> None:
    (files / "g.yaml").write_text(yaml.safe_dump(grant_document("w", **change)), encoding="utf-8")
    code, out, err = preview(files, "--json")
    error = json.loads(err)["error"]
    assert (code, out) == (2, "")
    assert error.keys() == {"where", "message"}
    assert error["where"].startswith(str(files / "g.yaml"))


def test_a_rejected_contract_is_one_json_error_and_exit_code_2(files: Path) -> None:
    (files / "c.avsc").write_text(json.dumps(contract_source("w.r", key=["absent"])), encoding="utf-8")
    code, out, err = preview(files, "--json")
    assert (code, out) == (2, "")
    assert json.loads(err)["error"]["where"].startswith(str(files / "c.avsc"))


def test_without_json_a_person_reads_the_same(files: Path) -> None:
    code, out, _ = preview(files, "--lang", "zh")
    assert code == 0
    assert "未放行原因" in out
    assert '{"uscc": "A"}' in out


def test_of_a_key_ring_it_shows_the_tokens_that_a_grant_opened_now_would_release(files: Path) -> None:
    ring = KeyRing(
        {1: MasterSecret(1, b"1" * 32, "sha256", dt.date(2027, 3, 31)), 2: MasterSecret(2, b"2" * 32, "sm3")}, 2
    )
    key = files / "ring"
    key.write_text(ring_text(ring))
    code, out, err = preview(files, "--json", "--key-file", key)
    assert (code, err) == (0, "")
    granted = load_grants(files / "g.yaml")[0]
    shown = json.loads(out.splitlines()[0])["emitted"][0]["after"]["person"]
    assert shown.startswith("2-")
    view = compile_view(load_contract(files / "c.avsc"), granted)
    mask = next(f.mask for f in view.fields if f.name == "person")
    assert shown == mask.row("王小明", derive_keys(ring, granted.subscriber, granted.id, 2))


def test_interrupted_it_says_so_in_one_line_and_every_line_written_is_whole(files: Path) -> None:
    given = ["--contract", files / "c.avsc", "--grant", files / "g.yaml", "--events", "-", "--json"]
    child = subprocess.Popen(
        [sys.executable, "-m", "infra.bus", "preview", *map(str, given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,  # a buffer of ours would keep what it read ahead from `communicate`
        env=os.environ | {"LANG": "C.UTF-8", "BUS_HOME": str(files / "nowhere")},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    line = json.dumps({"op": "c", "before": None, "after": row("A", "2020-02-29")}) + "\n"
    child.stdin.write((line * 1100).encode())  # more than one chunk: it shows that and waits for the next
    child.stdin.flush()
    first = child.stdout.readline()
    child.send_signal(signal.SIGTERM)  # is Ctrl-C to every verb, and no shell has it ignored
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130
    assert json.loads(err)["error"]["message"] == "interrupted."
    assert all(json.loads(text)["reason"] is None for text in (first + out).splitlines())
