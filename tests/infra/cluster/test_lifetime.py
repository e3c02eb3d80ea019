"""Who outlives whom. The starters are real processes, killed as a person or the kernel would."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.cluster import ClusterState, down, read_state, status, up
from infra.cluster.state import Processes
from schemas.errors import PermanentError

WAIT_S = 60.0


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A state folder whose cluster, whatever the test did, is stopped at the end."""
    yield tmp_path / "bus"
    down(tmp_path / "bus")


def starter(home: Path, then: str) -> subprocess.Popen[str]:
    """A process with `home` and our API at hand."""
    program = f"import time; from pathlib import Path; from infra.cluster import *; home = Path({str(home)!r})\n{then}"
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until_state(home: Path, starter: subprocess.Popen[str]) -> ClusterState:
    """The first state in which processes are named."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        state = read_state(home) if home.is_dir() else None
        if state is not None and state.processes is not None:
            return state
        assert starter.poll() is None, starter.communicate()
        time.sleep(0.01)
    raise AssertionError("nothing was started")


def gone(processes: Processes | None) -> bool:
    """Whether all three end within a few seconds."""
    assert processes is not None
    living = [p.process() for p in (processes.guard, processes.broker, processes.registry)]
    return psutil.wait_procs([p for p in living if p is not None], timeout=30)[1] == []


def test_the_owner_killed_with_9_leaves_nothing_running(home: Path) -> None:
    with starter(home, "with running(home) as s: print('ready', flush=True); time.sleep(600)") as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        state = read_state(home)
        assert state is not None
        assert status(home).phase == "running"
        owner.kill()
    assert gone(state.processes)
    assert status(home).phase == "stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_start_leaves_nothing_running(home: Path, number: signal.Signals) -> None:
    with starter(home, "up(home)") as process:
        state = until_state(home, process)
        process.send_signal(number)
        process.communicate(timeout=WAIT_S)
    assert process.returncode != 0
    assert gone(state.processes)
    assert status(home).phase == "stopped"


def test_two_starts_at_once_make_one_cluster_that_outlives_them_and_dies_with_its_guard(home: Path) -> None:
    report = "print(up(home).model_dump_json(), flush=True)"
    with starter(home, report) as one, starter(home, report) as two:
        answers = [json.loads(process.communicate(timeout=WAIT_S)[0]) for process in (one, two)]
    assert answers[0] == answers[1]
    seen = status(home)
    assert (seen.phase, seen.owner_pid) == ("running", None)
    state = read_state(home)
    assert state is not None
    assert state.processes is not None
    psutil.Process(state.processes.guard.pid).kill()
    assert gone(state.processes)
    assert status(home).phase == "dead"


def test_up_without_owner_takes_over_and_down_ends_it_once(home: Path) -> None:
    with starter(home, "with running(home) as s: print('ready', flush=True); time.sleep(600)") as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "ready\n"
        state = up(home)
        owner.kill()
        owner.wait()
    assert state.processes is not None
    guard = psutil.Process(state.processes.guard.pid)
    assert psutil.wait_procs([guard], timeout=1.0)[0] == []  # time to notice that its owner died
    assert status(home).phase == "running"
    assert down(home)
    assert gone(state.processes)
    assert not down(home)


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing_running(home: Path) -> None:
    (home / "broker" / "data").mkdir(parents=True)
    (home / "broker" / "data" / "meta.properties").write_text("version=0\n", encoding="ascii")
    with pytest.raises(PermanentError, match="the broker ended while starting") as caught:
        up(home, tied=True)
    assert "node ID not found" in caught.value.what.en
    assert status(home).phase == "stopped"


def test_down_where_nothing_ever_ran_does_nothing(tmp_path: Path) -> None:
    assert not down(tmp_path / "never")
    assert not (tmp_path / "never").exists()
