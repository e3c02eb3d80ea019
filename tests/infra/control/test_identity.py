"""Who acts is whose key it is: made here, deposited where signers are read, never written over."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pytest
import yaml

from infra.control.identity import identity, new_identity, who_am_i
from infra.runtime.settings import Settings
from infra.runtime.signers import signers_of
from schemas.clock import end_of_day_ms
from schemas.errors import ConfigError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(signers=tmp_path / "signers")


def test_a_deposited_identity_is_known_by_its_key_and_its_file_is_its_persons_alone(
    settings: Settings, tmp_path: Path
) -> None:
    made = new_identity(settings, "scjg", "wang", ["head", "clerk"], key=tmp_path / "k.pem", deposit=True)
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
    known = who_am_i(settings.model_copy(update={"identity": made.file}))
    assert (known.person, known.department, known.roles, known.key) == ("wang", "scjg", ("clerk", "head"), made.key)


def test_a_second_person_is_added_and_what_was_written_stays(settings: Settings, tmp_path: Path) -> None:
    first = new_identity(settings, "scjg", "wang", ["head"], key=tmp_path / "1.pem", deposit=True)
    assert first.deposited is not None
    written = "# by hand\n" + first.deposited.read_text()
    first.deposited.write_text(written)
    second = new_identity(settings, "scjg", "li", ["clerk"], key=tmp_path / "2.pem", deposit=True)
    assert first.deposited.read_text().startswith(written.rstrip())
    for made in (first, second):
        assert who_am_i(settings.model_copy(update={"identity": made.file})).person == made.person


def test_nothing_is_written_over_and_nobody_is_deposited_twice(settings: Settings, tmp_path: Path) -> None:
    new_identity(settings, "scjg", "wang", ["head"], key=tmp_path / "1.pem", deposit=True)
    before = (tmp_path / "1.pem").read_bytes()
    with pytest.raises(ConfigError, match="cannot be written"):
        new_identity(settings, "scjg", "li", ["head"], key=tmp_path / "1.pem", deposit=True)
    with pytest.raises(ConfigError, match="deposited there already"):
        new_identity(settings, "scjg", "wang", ["head"], key=tmp_path / "2.pem", deposit=True)
    assert (tmp_path / "1.pem").read_bytes() == before
    assert not (tmp_path / "2.pem").exists()


@pytest.mark.parametrize(
    ("department", "person", "role"), [("SCJG", "w", "head"), ("scjg", "W", "head"), ("scjg", "w", "king")]
)
def test_wrong_ids_and_roles_are_told_before_a_key_is_made(
    settings: Settings, tmp_path: Path, department: str, person: str, role: str
) -> None:
    with pytest.raises(ConfigError):
        new_identity(settings, department, person, [role], key=tmp_path / "k.pem", deposit=False)
    assert not (tmp_path / "k.pem").exists()


def test_without_deposit_the_entry_to_deposit_is_told_and_nobody_is_known_yet(
    settings: Settings, tmp_path: Path
) -> None:
    made = new_identity(settings, "scjg", "wang", ["head"], key=tmp_path / "k.pem", deposit=False)
    assert settings.signers is not None
    settings.signers.mkdir()
    mine = settings.model_copy(update={"identity": made.file})
    with pytest.raises(ConfigError, match="does not know the key"):
        who_am_i(mine)
    assert made.entry is not None
    assert yaml.safe_load(made.entry)["people"]["wang"]["roles"] == ["head"]
    (settings.signers / "scjg.yaml").write_text(made.entry)
    assert who_am_i(mine).person == "wang"


def test_without_an_identity_nobody_acts(settings: Settings) -> None:
    assert settings.signers is not None
    settings.signers.mkdir()
    with pytest.raises(ConfigError, match="nobody is known") as caught:
        who_am_i(settings)
    assert caught.value.where == "BUS_IDENTITY"


def test_an_identity_has_a_last_day_and_acts_no_more_after_it(settings: Settings, tmp_path: Path) -> None:
    day = dt.date(2026, 11, 24)
    made = new_identity(settings, "scjg", "wang", ["head"], key=tmp_path / "k.pem", deposit=True, until=day)
    assert "until: 2026-11-24" in (made.entry or "")
    own, signers = settings.model_copy(update={"identity": made.file}), signers_of(settings)
    assert identity(own, signers, now_ms=end_of_day_ms(day)).person.until == day
    with pytest.raises(ConfigError, match="wang of scjg was valid until 2026-11-24"):
        identity(own, signers, now_ms=end_of_day_ms(day) + 1)
