"""A log that is followed is read on, and anew after it failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.control.followed import Followed
from infra.runtime.settings import Settings
from schemas.errors import TransientError
from schemas.text import Text

SETTINGS = Settings(home=Path("nowhere"))


class Log:
    """A reader that counts how often it is asked, and fails when told to."""

    def __init__(self) -> None:
        self.asked, self.closed, self.fails = 0, False, False

    def read_to_end(self) -> int:
        self.asked += 1
        if self.fails:
            raise TransientError(Text("out of reach.", "不可达。"))
        return self.asked

    def close(self) -> None:
        self.closed = True


def test_what_was_read_once_is_not_read_again_and_a_reader_that_failed_is_replaced() -> None:
    made: list[Log] = []

    def opened(_settings: Settings) -> Any:
        made.append(Log())
        return made[-1]

    with Followed[int](opened) as log:
        assert made == []
        assert [log.state(SETTINGS), log.state(SETTINGS)] == [1, 2]
        made[0].fails = True
        with pytest.raises(TransientError):
            log.state(SETTINGS)
        assert log.state(SETTINGS) == 1
    assert [m.closed for m in made] == [True, True]
