"""The command ends everything it started, also when somebody presses Ctrl-C in the midst of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """For temporary files of the command alone; PostgreSQL's own user must be able to enter it."""
    made = Path(tempfile.mkdtemp(prefix="cc-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


def test_ctrl_c_in_the_midst_of_a_fault_leaves_no_process_and_no_file(folder: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--seed", "3", "--minutes", "5", "--fault", "freeze exchange"]
    with subprocess.Popen(
        command, env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        try:
            for line in run.stdout:
                if "freeze exchange" in line:
                    break
            children = psutil.Process(run.pid).children(recursive=True)
            run.send_signal(signal.SIGINT)
            assert run.wait(60) == 130
        finally:
            run.kill()
    assert len(children) > 10, "there was something to end"
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert list(folder.iterdir()) == []
