"""`bus deadlines` as a person reads it, over cases written by hand; the time is the test's."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra.bus.main import main
from infra.control.applications.case import Cases
from infra.control.deadlines import listing
from schemas.policy_state import PolicyState
from tests.infra.control.deadlines.cases import case, item, ms, step

LATE = case(step("2026-11-02", "submitted"), items=(item("a.1"), item("a.2", provider="gongan")), name="a")
DONE = case(
    step("2026-11-02", "submitted"),
    items=(item("b.1", provider_said=(False, "2026-11-04")),),
    status="refused",
    name="b",
)
OPEN = case(step("2026-11-20", "submitted"), items=(item("c.1", provider="minzheng"),), name="c")
UNKNOWN = case(step("2026-12-28", "submitted"), items=(item("d.1"),), name="d")


@pytest.fixture(autouse=True)
def somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUS_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("BUS_REGISTRY_URL", "http://127.0.0.1:1")


def world(monkeypatch: pytest.MonkeyPatch, now: str, *cases: object) -> None:
    found = Cases({c.application.id: c for c in cases})  # type: ignore[attr-defined]
    monkeypatch.setattr(listing, "read_logs", lambda settings: (found, PolicyState()))
    monkeypatch.setattr(listing, "time", SimpleNamespace(time=lambda: ms(now) / 1000))


def lines(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    assert main(["deadlines", *arguments]) == 0
    return [line.split("\t") for line in capsys.readouterr().out.splitlines()[1:]]


def test_late_steps_come_first_and_say_whose_they_are_now(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world(monkeypatch, "2026-11-24", OPEN, DONE, LATE)
    late = "late, now with: data bureau (Art. 28)"
    assert lines(capsys) == [
        ["a", "reply", "gongan", "1", "2026-11-02", "2026-11-16", "-6", late],
        ["a", "reply", "scjg", "1", "2026-11-02", "2026-11-16", "-6", late],
        ["c", "reply", "minzheng", "1", "2026-11-20", "2026-12-04", "8", ""],
    ]
    assert lines(capsys, "--lang", "zh")[0][-1] == "超期, 现由处理: 数据主管部门(第28条)"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (("--overdue",), ["a", "a"]),
        (("--department", "minzheng"), ["c"]),
        (("--department", "shuiwu"), ["a", "a", "c"]),  # the applicant
        (("--overdue", "--department", "scjg"), ["a"]),
        (("--department", "nobody"), []),
        (("--all",), ["a", "a", "c", "b"]),
    ],
)
def test_what_is_listed_can_be_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], shown: list[str]
) -> None:
    world(monkeypatch, "2026-11-24", OPEN, DONE, LATE)
    assert [row[0] for row in lines(capsys, *options)] == shown


def test_a_missing_calendar_is_loud_once_all_others_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world(monkeypatch, "2026-12-28", LATE, UNKNOWN)
    assert main(["deadlines", "--json"]) == 2
    out, err = capsys.readouterr()
    rows = {d["application"]: d for d in json.loads(out)["due"]}
    assert (rows["a"]["due"], rows["a"]["overdue"]) == ("2026-11-16", True)
    assert (rows["d"]["due"], rows["d"]["missing_year"]) == (None, 2027)
    assert "2027" in json.loads(err)["error"]["message"]
    assert "chinesecalendar" in err


def test_a_clock_behind_the_log_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    world(monkeypatch, "2026-11-19", OPEN)
    assert main(["deadlines"]) == 0
    out, err = capsys.readouterr()
    assert "86400 s behind the last step of c" in err
    assert out.splitlines()[1].split("\t")[6] == "10"


def test_rules_looser_than_the_law_are_refused_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rules = tmp_path / "deadlines.yaml"
    rules.write_text("kind: Deadlines\ndelivery: 21\n")
    monkeypatch.setenv("BUS_DEADLINES", str(rules))
    for verb in (["deadlines"], ["controller", "--once"]):
        assert main(verb) == 2
        assert "Art. 22" in capsys.readouterr().err
