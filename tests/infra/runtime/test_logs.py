"""Log lines carry agreed keys and no content."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import structlog

from infra.runtime import logs
from schemas.errors import ConfigError
from schemas.text import Text


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    parsed: dict[str, object] = json.loads(capsys.readouterr().err.splitlines()[-1])
    return parsed


def test_a_line_is_one_json_object_with_component_level_and_time(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logs.logger("exchange").info("unit.committed", records=5)
    found = line(capsys)
    assert found.keys() == {"event", "level", "timestamp", "component", "records"}
    assert (found["event"], found["component"], found["records"]) == ("unit.committed", "exchange", 5)


def test_a_value_under_an_unknown_key_never_reaches_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logs.logger("x").info("oops", row={"name": "王小明"})
    found = line(capsys)
    assert "王小明" not in json.dumps(found, ensure_ascii=False)
    assert found["unlisted"] == ["row"]


def test_a_foreign_exception_is_its_type_only(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logs.logger("x").error("failed", error=ValueError("520103199001011234 is not a date"))
    found = line(capsys)
    assert found["error"] == "ValueError"


def test_an_error_of_ours_keeps_its_place_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logs.logger("x").error("failed", error=ConfigError(Text("too old.", "太旧。"), where="a.yaml"))
    found = line(capsys)
    assert (found["error"], found["where"]) == ("ConfigError: too old.", "a.yaml")


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True, level="warning")
    logs.logger("x").info("quiet")
    assert capsys.readouterr().err == ""
