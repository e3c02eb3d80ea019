"""The ledger file: private, one holder at a time, whole after a kill; and the text of a position."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.ledger import Ledger
from consumers.position import Position
from schemas.errors import ConfigError, PermanentError

HERE = Position("a.b.1", 2, "I38/u6dXSByOC6TdIkeaXw", (5, 0))

HOLDS = """
import sys
from pathlib import Path
from consumers.ledger import Ledger
from consumers.position import Position
held = Ledger(Path(sys.argv[1]), "a.b.1")
for offset in range(1, 501):
    held.hold(Position("a.b.1", 2, "x", (offset, 0)))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_position_survives_a_kill_9_right_after_it_was_held_and_the_file_is_free_again(tmp_path: Path) -> None:
    path = tmp_path / "f" / "a.ledger"
    child = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match="another program"):
        Ledger(path, "a.b.1")
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    held = Ledger(path, "a.b.1")
    assert held.position == Position("a.b.1", 2, "x", (500, 0))
    held.close()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_ledger_is_of_one_grant(tmp_path: Path) -> None:
    held = Ledger(tmp_path / "l", "a.b.1")
    held.hold(HERE)
    with pytest.raises(ConfigError, match="another program"):
        Ledger(tmp_path / "l", "a.b.1")
    held.close()
    held.close()
    with pytest.raises(ConfigError, match=r"belongs to grant a\.b\.1, not c\.d\.1"):
        Ledger(tmp_path / "l", "c.d.1")
    again = Ledger(tmp_path / "l", "a.b.1")
    again.hold(None)
    again.close()
    empty = Ledger(tmp_path / "l", "c.d.1")
    assert empty.position is None
    empty.close()


def test_what_is_no_ledger_is_an_error_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "l").write_text("not a database, but long enough to be taken for one" * 20)
    with pytest.raises(PermanentError, match="SQLITE_NOTADB") as told:
        Ledger(tmp_path / "l", "a.b.1")
    assert told.value.where == str(tmp_path / "l")


@given(st.integers(1, 10**9), st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=8))
def test_a_position_is_what_its_text_says(generation: int, offsets: list[int]) -> None:
    position = Position("shuiwu.enterprise_registration.2026-001", generation, HERE.topic_id, tuple(offsets))
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["x", "1:a:1:b:", "2:a:1:b:0", str(HERE) + "\n", str(HERE) + ",", "1:A:1:b:0"])
def test_another_text_is_no_position(text: str) -> None:
    with pytest.raises(ConfigError, match="no position"):
        Position.parse(text)


def test_a_position_never_moves_back() -> None:
    assert HERE.past(0, 4) == HERE
    assert HERE.past(1, 4).offsets == (5, 4)
