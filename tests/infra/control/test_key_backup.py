"""`bus keys backup` and `restore`, as a person runs them on two hosts: no cluster is needed, no key is written over."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from infra.control.key_backup import back_up, restore
from infra.runtime.key_file import read_ring
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from tests.conftest import own_key
from tests.infra.bus.command import bus

PASSPHRASE = "four words that nobody guesses"


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


def test_what_one_host_backed_up_another_restores(tmp_path: Path, passphrase_file: Path) -> None:
    key, there, backup = own_key(tmp_path), tmp_path / "there" / "master.key", tmp_path / "backup.yaml"
    own = {"BUS_KEY_FILE": str(key), "BUS_PASSPHRASE_FILE": str(passphrase_file)}
    made = bus("keys", "backup", "--to", backup, "--json", home=tmp_path / "home", **own)
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    put = ("keys", "restore", backup, "--passphrase-file", passphrase_file, "--json")
    first = json.loads(bus(*put, home=tmp_path / "home", BUS_KEY_FILE=str(there)).stdout)
    second = json.loads(bus(*put, home=tmp_path / "home", BUS_KEY_FILE=str(there)).stdout)
    assert (first["new"], second["new"]) == (True, False)
    assert first["fingerprint"] == json.loads(made.stdout)["fingerprint"]
    assert stat.S_IMODE(there.stat().st_mode) == 0o600
    assert read_ring(there) == read_ring(key)


def test_neither_a_backup_nor_a_key_is_written_over(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", key_file=own_key(tmp_path))
    backup, other = tmp_path / "b.yaml", tmp_path / "other.key"
    back_up(settings, backup, PASSPHRASE)
    before = backup.read_bytes()
    with pytest.raises(ConfigError, match="exists already"):
        back_up(settings, backup, PASSPHRASE)
    assert backup.read_bytes() == before
    other.write_text("cd" * 32)
    other.chmod(0o600)
    with pytest.raises(ConfigError, match="another key ring is there"):
        restore(Settings(home=tmp_path / "home", key_file=other), backup, PASSPHRASE)
    assert other.read_text() == "cd" * 32


def test_a_wrong_passphrase_restores_nothing(tmp_path: Path) -> None:
    backup, there = tmp_path / "b.yaml", tmp_path / "there.key"
    back_up(Settings(home=tmp_path / "home", key_file=own_key(tmp_path)), backup, PASSPHRASE)
    with pytest.raises(ConfigError, match="passphrase is wrong"):
        restore(Settings(home=tmp_path / "home", key_file=there), backup, PASSPHRASE + "!")
    assert not there.exists()


def test_keys_of_a_command_are_backed_up_and_restored_where_they_are_kept(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", key_command=f"cat '{own_key(tmp_path)}'")
    assert back_up(settings, tmp_path / "b.yaml", PASSPHRASE).versions == (1,)
    with pytest.raises(ConfigError, match="key store"):
        restore(settings, tmp_path / "b.yaml", PASSPHRASE)


def test_a_restored_key_never_lies_in_the_state_folder(tmp_path: Path) -> None:
    backup, home = tmp_path / "b.yaml", tmp_path / "home"
    back_up(Settings(home=home, key_file=own_key(tmp_path)), backup, PASSPHRASE)
    with pytest.raises(ConfigError, match="state folder"):
        restore(Settings(home=home, key_file=home / "master.key"), backup, PASSPHRASE)


@pytest.mark.parametrize(
    ("content", "mode", "reason"),
    [(PASSPHRASE, 0o644, "others may read"), ("", 0o600, "one line"), ("a\nb\n", 0o600, "one line")],
)
def test_a_passphrase_file_that_is_none_or_open_to_others_is_refused(
    tmp_path: Path, passphrase_file: Path, content: str, mode: int, reason: str
) -> None:
    passphrase_file.write_text(content)
    passphrase_file.chmod(mode)
    own = {"BUS_KEY_FILE": str(own_key(tmp_path)), "BUS_PASSPHRASE_FILE": str(passphrase_file)}
    done = bus("keys", "backup", "--to", tmp_path / "b.yaml", home=tmp_path / "home", **own)
    assert (done.returncode, reason in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "b.yaml").exists()


def test_without_a_terminal_and_a_file_nobody_is_asked(tmp_path: Path) -> None:
    done = bus("keys", "backup", "--to", tmp_path / "b", home=tmp_path / "home", BUS_KEY_FILE=str(own_key(tmp_path)))
    assert (done.returncode, "BUS_PASSPHRASE_FILE" in done.stderr) == (2, True)


@pytest.mark.parametrize("second", [PASSPHRASE, "a typing error here"])
def test_at_a_terminal_it_is_typed_twice_unseen(tmp_path: Path, second: str) -> None:
    backup = tmp_path / "b.yaml"
    settings = Settings(home=tmp_path / "home", key_file=own_key(tmp_path))
    environ = os.environ | {"BUS_HOME": str(settings.home), "BUS_KEY_FILE": str(settings.key_file)}
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "infra.bus", "--lang", "en", "keys", "backup", "--to", str(backup)]
    with subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True
    ) as child:
        os.close(slave)
        shown = _until(master, "Passphrase: ")
        os.write(master, PASSPHRASE.encode() + b"\n")
        shown += _until(master, "Once more: ")
        os.write(master, second.encode() + b"\n")
        code = child.wait(30)
    os.close(master)
    assert (code, backup.exists()) == ((0, True) if second == PASSPHRASE else (2, False))
    assert PASSPHRASE not in shown


def _until(terminal: int, words: str) -> str:
    """What the terminal shows, up to a question."""
    shown = ""
    while words not in shown:
        assert select.select([terminal], [], [], 30)[0], shown
        shown += os.read(terminal, 4096).decode("utf-8", "replace")
    return shown
