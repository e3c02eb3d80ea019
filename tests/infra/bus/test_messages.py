"""Wrong input gets one message that says what, where and how to go on, in both languages, and an exit code."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from infra.bus import failures
from infra.bus.session import Session
from tests.infra.bus.command import bus

WRONG = [
    (("nosuch",), 2, "No such command 'nosuch'", "没有这个命令"),
    (("grants", "--nosuch"), 2, "No such option", "没有选项 --nosuch"),
    (("preview",), 2, "Missing option '--contract'", "缺少参数 --contract"),
    (("up", "--kafka-port", "x"), 2, "Invalid value for '--kafka-port'", "参数 --kafka-port 的值有误"),
    (("apply",), 2, "which files or folders", "请指明文件或目录"),
    (("apply", "absent.yaml"), 2, "cannot be read", "无法读取"),
    (("grants",), 2, "no embedded cluster has been started", "没有启动内嵌集群"),
    (("revoke", "a.b"), 2, "no embedded cluster", "没有启动内嵌集群"),
    (("revoke", "a.b", "--reason", "whim"), 2, "a reason is one of", "原因须为"),
    (("publish", "x.csv", "--mapping", "m.yaml", "--adapter", "ftp"), 2, "no adapter of this kind", "没有此类适配器"),
]


@pytest.mark.parametrize("arguments,code,english,chinese", WRONG, ids=[" ".join(w[0]) for w in WRONG])
def test_one_message_in_the_language_asked_for(
    tmp_path: Path, arguments: tuple[str, ...], code: int, english: str, chinese: str
) -> None:
    if arguments[0] == "apply" and len(arguments) > 1:
        arguments = ("apply", str(tmp_path / arguments[1]), "--dry-run")
    for language, words in (("en", english), ("zh", chinese)):
        done = bus("--lang", language, *arguments, home=tmp_path)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert done.stdout == ""


def test_in_json_mode_an_error_is_json_with_place_and_message(tmp_path: Path) -> None:
    done = bus("grants", "--json", home=tmp_path)
    error = json.loads(done.stderr)["error"]
    assert done.returncode == 2
    assert error["where"].endswith("cluster.json")
    assert "bus up" in error["message"]


def test_a_cluster_out_of_reach_is_named_and_the_code_says_try_later(tmp_path: Path) -> None:
    nowhere = {"BUS_BOOTSTRAP_SERVERS": "127.0.0.1:1", "BUS_REGISTRY_URL": "http://127.0.0.1:1"}
    done = bus("grants", home=tmp_path, **nowhere)
    assert done.returncode == 75
    assert done.stderr.startswith("error: 127.0.0.1:1: the Kafka cluster does not answer")
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_setting_is_named_by_its_variable_without_its_value(tmp_path: Path) -> None:
    done = bus("grants", home=tmp_path, BUS_SECURITY_PROTOCOL="hunter2")
    assert done.returncode == 2
    assert "BUS_SECURITY_PROTOCOL" in done.stderr
    assert "hunter2" not in done.stderr


def test_half_a_cluster_address_is_refused(tmp_path: Path) -> None:
    done = bus("grants", home=tmp_path, BUS_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 2
    assert "BUS_REGISTRY_URL" in done.stderr


def test_help_is_in_the_language_asked_for(tmp_path: Path) -> None:
    assert "Put contracts" in bus("--help", home=tmp_path).stdout
    chinese = bus("--help", home=tmp_path, LANG="zh_CN.UTF-8").stdout
    assert "使数据契约" in chinese
    assert "Put contracts" not in chinese


def test_what_cannot_be_undone_needs_yes_where_nobody_can_be_asked(tmp_path: Path) -> None:
    done = bus("down", "--wipe", home=tmp_path)
    assert done.returncode == 2
    assert "--yes" in done.stderr


def test_a_fault_of_the_program_is_one_line_and_a_file_without_contents(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="isoformat") as caught:
        dt.date.fromisoformat("520103199001011234 is not a date")
    assert failures.unexpected(Session(), caught.value, tmp_path) == 70
    [log] = (tmp_path / "faults").iterdir()
    text = log.read_text()
    assert "ValueError" in text
    assert "test_messages.py" in text
    assert "Invalid isoformat" not in text
    assert log.stat().st_mode & 0o077 == 0
