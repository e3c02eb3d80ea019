"""Processes under demonstration or measurement leave nothing behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from tests.kit.exchange_lab import within

_PARENT = """
import sys
from pathlib import Path
from infra.bus.workers import process
from infra.runtime.settings import Settings
settings = Settings(bootstrap_servers="127.0.0.1:1", registry_url="http://127.0.0.1:1")
with process(settings, "http.server", ["--bind", "127.0.0.1", "0"], Path(sys.argv[1])) as child:
    print(child.pid, flush=True)
    sys.stdin.read()
"""


def test_a_process_ends_with_its_parent_even_if_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(tmp_path / "log")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None and parent.stdin is not None
    with parent.stdin, parent.stdout:
        child = psutil.Process(int(parent.stdout.readline()))

        parent.send_signal(signal.SIGKILL)
        parent.wait()

        within(10, lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
