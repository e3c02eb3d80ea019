"""Where processes serve their metrics: on loopback, unless a person says otherwise. Seen from the sockets they open."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.runtime.settings import Settings
from tests.conftest import own_key

PROCESSES = (
    ("exchange", "--instance", "one"),
    ("controller",),
    ("deliver", "--grant", "g-1", "--sink", "sqlite:///rows.db"),
)


def listens(command: tuple[str, ...], home: Path, **environ: str) -> set[str]:
    """The addresses a process and its children listen on. There is no cluster: metrics are there before one is looked for."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BUS_")}
    nowhere = {"BUS_BOOTSTRAP_SERVERS": "127.0.0.1:1", "BUS_REGISTRY_URL": "http://127.0.0.1:1"}
    ours = {"BUS_HOME": str(home / "state"), "BUS_KEY_FILE": str(own_key(home))}
    started = subprocess.Popen(
        [sys.executable, "-m", "infra.bus", *command],
        env=clean | nowhere | ours | environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = sockets(started.pid)
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError("it serves no metrics")
    finally:
        for process in (*psutil.Process(started.pid).children(recursive=True), started):
            process.kill()
        started.wait()


def sockets(pid: int) -> set[str]:
    found: set[str] = set()
    for process in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
        try:
            found |= {c.laddr.ip for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.mark.parametrize("command", PROCESSES, ids=lambda c: c[0])
def test_every_process_serves_its_metrics_on_loopback_only(command: tuple[str, ...], tmp_path: Path) -> None:
    assert listens(command, tmp_path) == {"127.0.0.1"}


@pytest.mark.parametrize("command", PROCESSES, ids=lambda c: c[0])
def test_told_another_address_it_serves_them_there_and_nowhere_else(command: tuple[str, ...], tmp_path: Path) -> None:
    assert listens(command, tmp_path, BUS_METRICS_HOST="127.0.0.9") == {"127.0.0.9"}


def test_loopback_is_what_the_settings_say_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BUS_METRICS_HOST", raising=False)
    assert Settings().metrics_host == "127.0.0.1"
