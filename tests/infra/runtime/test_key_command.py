"""A command as the custodian: real processes that behave, fail, hang and babble."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest

from infra.runtime.key_command import MAX_BYTES, run_key_command
from schemas.errors import BusError, ConfigError, TransientError

KEY = "ab" * 32


def python(tmp_path: Path, program: str) -> str:
    path = tmp_path / "with space.py"
    path.write_text(program)
    return f"{sys.executable} '{path}' {KEY}"


def failed(command: str, kind: type[BusError], limit_s: float = 10.0) -> BusError:
    with pytest.raises(kind) as caught:
        run_key_command(command, limit_s=limit_s)
    assert caught.value.where == "BUS_KEY_COMMAND"
    assert KEY not in f"{caught.value} {caught.value.message('zh')}"
    return caught.value


def test_its_words_are_split_as_a_shell_would_and_no_shell_expands_them(tmp_path: Path) -> None:
    printed = run_key_command(python(tmp_path, "import sys; print(sys.argv[1:])") + " '$HOME' $(id) ;")
    assert printed.text == f"{[KEY, '$HOME', '$(id)', ';']}\n"
    assert KEY not in repr(printed)


def test_what_it_complains_of_is_told_without_anything_like_a_key(tmp_path: Path) -> None:
    program = "import sys; print(sys.argv[1]); print('slot 3', sys.argv[1], 'locked', file=sys.stderr); sys.exit(7)"
    error = failed(python(tmp_path, program), TransientError)
    assert "(7)" in error.what.en
    assert error.hint is not None and error.hint.en == "It says: slot 3 … locked"


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, pathlib, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    began = time.monotonic()
    error = failed(python(tmp_path, program), TransientError, limit_s=1.5)
    assert time.monotonic() - began < 5
    assert "1.5 s" in error.what.en
    grandchild = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE:
            break
        time.sleep(0.05)
    else:
        pytest.fail("it still runs")


def test_it_cannot_ask_anybody(tmp_path: Path) -> None:
    assert run_key_command(python(tmp_path, "import sys; print(repr(sys.stdin.read()))")).text == "''\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_one_that_never_stops_talking_is_ended(tmp_path: Path, stream: str) -> None:
    error = failed(python(tmp_path, f"import sys\nwhile True: sys.{stream}.write('x' * 4096)"), ConfigError)
    assert str(MAX_BYTES) in error.what.en


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/nowhere/at-all", "cannot be run"),
        ("sh -c 'unbalanced", "cannot be split"),
        ("printf '\\377\\376'", "no text"),
    ],
)
def test_one_that_cannot_be_meant_is_a_mistake_in_the_setting(command: str, reason: str) -> None:
    assert reason in failed(command, ConfigError).what.en
