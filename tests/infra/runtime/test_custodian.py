"""The master key's file."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.runtime.custodian import MasterKey, master_key, read_key
from infra.runtime.settings import Settings
from schemas.errors import ConfigError


def at_default(path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings whose default place for the key is `path`."""
    monkeypatch.delenv("BUS_KEY_FILE", raising=False)
    return Settings.model_construct(_fields_set=set(), key_file=path)


def test_the_key_is_made_once_in_its_default_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = at_default(tmp_path / "deep" / "master.key", monkeypatch)
    made, again = master_key(settings), master_key(settings)
    assert made.created and not again.created
    assert made.key == again.key and len(made.key) == 32
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert [p.name for p in made.path.parent.iterdir()] == ["master.key"]


def test_a_key_file_somebody_named_is_never_made_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        master_key(Settings(key_file=tmp_path / "absent.key"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [("00" * 31, "31 bytes"), ("", "0 bytes"), ("zz" * 32, "not hexadecimal"), ("密钥", "not hexadecimal")],
)
def test_anything_but_32_bytes_in_hexadecimal_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "k"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=reason):
        read_key(path)


def test_a_key_that_others_can_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "k"
    path.write_text("00" * 32)
    path.chmod(0o640)
    with pytest.raises(ConfigError) as caught:
        read_key(path)
    assert caught.value.hint is not None and "chmod 600" in caught.value.hint.en


def test_nothing_printable_about_a_key_reveals_it(tmp_path: Path) -> None:
    key = MasterKey(bytes(range(32)), tmp_path)
    for shown in (repr(key), str(key), f"{key}", key.fingerprint):
        assert key.key.hex() not in shown
        assert key.key.hex()[:16] not in shown
