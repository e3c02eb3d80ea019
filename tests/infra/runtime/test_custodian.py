"""Where the master keys come from, and what is refused before anything is started with them."""

from __future__ import annotations

import datetime as dt
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from infra.runtime import custodian, key_file
from infra.runtime.custodian import existing_keys, held_keys, rotate_file
from infra.runtime.key_file import read_ring
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.key_ring import KeyRing, MasterSecret
from schemas.key_ring_file import ring_text

DAY = dt.date(2027, 3, 31)
KEY = bytes(range(32))


def at_default(path: Path, **more: Any) -> Settings:
    """Settings whose default place for the key is `path`."""
    made = Settings(home=path.parent / "state", **more)
    object.__setattr__(made, "key_file", path)
    made.model_fields_set.discard("key_file")
    return made


def written(path: Path, text: str = KEY.hex(), mode: int = 0o600) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def refused(settings: Settings) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        held_keys(settings)
    assert KEY.hex()[:16] not in f"{caught.value} {caught.value.message('zh')}"
    return caught.value


@pytest.mark.parametrize("suite", ["sha256", "sm3"])
def test_the_key_is_made_once_in_its_default_place_with_the_suite_asked_for(tmp_path: Path, suite: str) -> None:
    settings = at_default(tmp_path / "deep" / "master.key", key_suite=suite)
    assert existing_keys(settings) is None
    made, again = held_keys(settings), held_keys(settings)
    assert made.notes and "keep a copy" in made.notes[0].en
    assert not again.notes
    assert made.ring == again.ring == existing_keys(settings)
    assert [(s.version, s.suite, len(s.secret)) for s in made.ring.secrets.values()] == [(1, suite, 32)]
    assert stat.S_IMODE(settings.key_file.stat().st_mode) == 0o600
    assert [p.name for p in settings.key_file.parent.iterdir()] == ["master.key"]


def test_a_key_file_somebody_named_is_never_made_up(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "state", key_file=tmp_path / "absent.key")
    assert "does not exist" in refused(settings).what.en
    with pytest.raises(ConfigError, match="does not exist"):
        existing_keys(settings)


def test_the_file_of_before_there_were_versions_is_version_one_under_sha256(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "state", key_file=written(tmp_path / "k", KEY.hex() + "\n"))
    assert held_keys(settings).ring == KeyRing({1: MasterSecret(1, KEY, "sha256")}, 1)


def test_a_key_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    error = refused(Settings(home=tmp_path / "state", key_file=written(tmp_path / "k", mode=0o640)))
    assert error.hint is not None and "chmod 600" in error.hint.en


@pytest.mark.parametrize("how", ["inside", "below", "link to it", "link in it", "linked folder", "state is a link"])
def test_a_key_in_the_state_folder_is_refused_by_whatever_name(tmp_path: Path, how: str) -> None:
    home, outside = tmp_path / "state", tmp_path / "outside"
    for folder in (home / "sub", outside):
        folder.mkdir(parents=True)
    inner, outer = written(home / "sub" / "k"), written(outside / "k")
    path = {"inside": written(home / "k"), "below": inner}.get(how, outside / "link")
    if how == "link to it":
        path.symlink_to(inner)
    elif how == "link in it":
        path = home / "link"
        path.symlink_to(outer)
    elif how == "linked folder":
        path.symlink_to(home / "sub")
        path /= "k"
    elif how == "state is a link":
        path.symlink_to(home)
        home, path = path, inner
    error = refused(Settings(home=home, key_file=path))
    assert "state folder" in error.what.en and "状态目录" in error.what.zh
    assert error.hint is not None and "BUS_KEY_FILE" in error.hint.en
    assert held_keys(Settings(home=home, key_file=outer)).ring.current == 1


def test_a_file_and_a_command_together_are_refused(tmp_path: Path) -> None:
    both = Settings(home=tmp_path / "state", key_file=written(tmp_path / "k"), key_command="true")
    assert refused(both).where == "BUS_KEY_FILE, BUS_KEY_COMMAND"
    blank = Settings(home=tmp_path / "state", key_file=tmp_path / "k", key_command=" ")
    assert held_keys(blank).ring.current == 1


def test_a_command_gives_the_ring_and_what_it_says_reaches_the_person(tmp_path: Path) -> None:
    ring = KeyRing({1: MasterSecret(1, KEY, "sha256", DAY), 2: MasterSecret(2, b"x" * 32, "sm3")}, 2)
    text = written(tmp_path / "text", ring_text(ring))
    script = written(tmp_path / "script", f"#!/bin/sh\ncat '{text}'\necho token ok >&2\n", 0o700)
    held = held_keys(at_default(tmp_path / "none", key_command=str(script)))
    assert held.ring == ring
    assert [n.en for n in held.notes] == ["BUS_KEY_COMMAND: token ok"]
    assert not (tmp_path / "none").exists()


def test_another_current_key_than_expected_starts_nothing(tmp_path: Path) -> None:
    path = written(tmp_path / "k")
    own = MasterSecret(1, KEY).fingerprint
    held_keys(Settings(home=tmp_path / "state", key_file=path, key_fingerprint=own.upper()))
    error = refused(Settings(home=tmp_path / "state", key_file=path, key_fingerprint="0" * 16))
    assert own in error.what.en and "0" * 16 in error.what.zh


def test_a_suite_this_machine_has_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = KeyRing({1: MasterSecret(1, KEY, "sm3")}, 1)
    settings = Settings(home=tmp_path / "state", key_file=written(tmp_path / "k", ring_text(ring)))
    held_keys(settings)
    monkeypatch.setattr(custodian.hashlib, "algorithms_available", {"sha256"})
    assert "SM3" in refused(settings).what.en


def test_a_rotation_keeps_the_former_version_for_its_window_and_nothing_else_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "custodian"
    folder.mkdir()
    settings = Settings(home=tmp_path / "state", key_file=written(folder / "k"))
    first = rotate_file(settings, "sm3", DAY)
    assert first == read_ring(settings.key_file) == held_keys(settings).ring
    assert first.secrets[1] == MasterSecret(1, KEY, "sha256", DAY)
    assert (first.current, first.secrets[2].suite, first.secrets[2].until) == (2, "sm3", None)
    second = rotate_file(settings, None, DAY.replace(year=2028))
    assert (second.current, second.secrets[3].suite) == (3, "sm3")
    assert [s.until for s in second.secrets.values()] == [DAY, DAY.replace(year=2028), None]
    assert len({s.secret for s in second.secrets.values()}) == 3
    assert stat.S_IMODE(settings.key_file.stat().st_mode) == 0o600
    assert [p.name for p in folder.iterdir()] == ["k"]


def test_a_rotation_through_a_link_replaces_the_file_and_not_the_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(written(tmp_path / "real" / "k"))
    rotate_file(Settings(home=tmp_path / "state", key_file=link), None, DAY)
    assert link.is_symlink() and read_ring(tmp_path / "real" / "k").current == 2


def test_a_rotation_that_fails_leaves_the_ring_and_no_draft(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path / "state", key_file=written(tmp_path / "k"))

    def full(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(key_file.os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        rotate_file(settings, None, DAY)
    assert [p.name for p in tmp_path.iterdir()] == ["k"]
    assert held_keys(settings).ring.current == 1


def test_of_two_rotations_at_once_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path / "state", key_file=written(tmp_path / "k"))
    inside, go_on = threading.Event(), threading.Event()
    replace = key_file._replace

    def slowly(path: Path, text: str) -> None:
        inside.set()
        assert go_on.wait(10)
        replace(path, text)

    monkeypatch.setattr(key_file, "_replace", slowly)
    one = threading.Thread(target=rotate_file, args=(settings, None, DAY))
    one.start()
    assert inside.wait(10)
    with pytest.raises(ConfigError, match="another rotation"):
        rotate_file(settings, None, DAY)
    go_on.set()
    one.join()
    assert read_ring(settings.key_file).current == 2


def test_keys_of_a_command_are_rotated_where_they_are_kept(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        rotate_file(at_default(tmp_path / "none", key_command="true"), None, DAY)
    assert caught.value.hint is not None and "bus apply" in caught.value.hint.en
