"""A worker that dies is started again; one that cannot start is not; none outlives its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.bus import supervisor


def run(code: str, monkeypatch: pytest.MonkeyPatch) -> tuple[int, list[int]]:
    monkeypatch.setattr(supervisor, "FIRST_WAIT_S", 0.01)
    seen: list[int] = []
    command = [sys.executable, "-c", code]
    return supervisor.supervise(command, os.environ, lambda exit_code, _wait: seen.append(exit_code)), seen


def test_a_worker_that_was_killed_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once = tmp_path / "once"
    code = f"import os, pathlib; p = pathlib.Path({str(once)!r})\nif not p.exists(): p.touch(); os.kill(os.getpid(), 9)"
    assert run(code, monkeypatch) == (0, [-9])


def test_a_worker_with_wrong_settings_is_not_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("raise SystemExit(2)", monkeypatch) == (2, [])


def test_waits_grow_between_failures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(supervisor, "FIRST_WAIT_S", 0.01)
    counter = tmp_path / "n"
    code = (
        f"import pathlib; p = pathlib.Path({str(counter)!r}); n = len(p.read_text()) if p.exists() else 0\n"
        "p.write_text('x' * (n + 1)); raise SystemExit(0 if n == 3 else 1)"
    )
    waits: list[float] = []
    assert supervisor.supervise([sys.executable, "-c", code], os.environ, lambda _c, w: waits.append(w)) == 0
    assert waits == [0.01, 0.02, 0.04]


def test_a_worker_gets_the_allocator_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import os; raise SystemExit(0 if os.environ['MALLOC_TRIM_THRESHOLD_'] == '536870912' else 2)"
    assert run(code, monkeypatch) == (0, [])


PARENT = """
import os, sys
from infra.bus.supervisor import supervise
child = "import os, pathlib, signal, time; from infra.bus.supervisor import end_with_parent; end_with_parent(os.environ); "
child += "pathlib.Path({out!r}).write_text(str(os.getpid())); time.sleep(60)"
supervise([sys.executable, "-c", child], os.environ, lambda code, wait: None)
"""


def test_a_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT.format(out=str(out))])
    until = time.monotonic() + 20
    while not (out.exists() and out.read_text()):
        assert time.monotonic() < until
        time.sleep(0.02)
    child = psutil.Process(int(out.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert child.pid != parent.pid
    psutil.wait_procs([child], timeout=10)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
