"""What libraries log is one of our lines: not a flood, not a traceback, not what an exception quotes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from infra.runtime import logs
from infra.runtime.library_logs import AGAIN_S, LibraryLines


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def library(time_is: list[float]) -> logging.Logger:
    logs.configure(json=True)
    logger = logging.Logger("librdkafka")
    logger.addHandler(LibraryLines(lambda: time_is[0]))
    return logger


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_broker_that_is_away_is_one_line_not_one_for_every_attempt(
    capsys: pytest.CaptureFixture[str],
) -> None:
    time_is = [100.0]
    logger = library(time_is)
    for ms in range(500):
        logger.error("FAIL 127.0.0.1:1: Connection refused (after %dms in state CONNECT)", ms)
    [first] = lines(capsys)
    assert (first["logger"], first["level"]) == ("librdkafka", "error")
    time_is[0] += AGAIN_S
    logger.error("FAIL 127.0.0.1:1: Connection refused (after %dms in state CONNECT)", 3)
    [later] = lines(capsys)
    assert later["count"] == 500


def test_another_line_is_not_held_back(capsys: pytest.CaptureFixture[str]) -> None:
    logger = library([100.0])
    logger.warning("one")
    logger.warning("another")
    assert [line["event"] for line in lines(capsys)] == ["one", "another"]


def test_an_exception_is_its_type_and_place_never_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    logger = library([100.0])
    try:
        int("520103199001011234x")
    except ValueError as error:
        logger.error("crashed: %r", error, exc_info=sys.exc_info())
    out = capsys.readouterr().err
    [line] = [json.loads(text) for text in out.splitlines()]
    assert (line["event"], line["error"]) == ("crashed: 'ValueError'", "ValueError")
    assert str(line["where"]).startswith("test_library_logs.py:")
    assert "520103" not in out
    assert "Traceback" not in out
