"""A backup of the key ring opens with its passphrase and with nothing else, and says which of the two is wrong."""

from __future__ import annotations

import datetime as dt

import pytest
import yaml

from infra.security.wrapping import unwrap, wrap
from schemas.errors import ConfigError
from schemas.key_ring import KeyRing, MasterSecret

PASSPHRASE = "正确 的 口令 with café words"
RING = KeyRing(
    {1: MasterSecret(1, bytes(range(32)), "sha256", dt.date(2027, 3, 31)), 2: MasterSecret(2, b"\x07" * 32, "sm3")}, 2
)


@pytest.fixture(scope="module")
def backup() -> str:
    return wrap(RING, PASSPHRASE)


def refused(text: str, passphrase: str = PASSPHRASE) -> str:
    with pytest.raises(ConfigError) as caught:
        unwrap(text, passphrase, "b.yaml")
    assert RING.secrets[1].secret.hex() not in caught.value.message()
    return str(caught.value)


def changed(backup: str, **fields: object) -> str:
    return yaml.safe_dump(yaml.safe_load(backup) | fields)


def test_what_was_wrapped_comes_back_whole_however_the_passphrase_was_typed(backup: str) -> None:
    assert unwrap(backup, PASSPHRASE, "b.yaml") == RING
    assert unwrap(backup, PASSPHRASE.replace("é", "e\u0301"), "b.yaml") == RING


def test_nothing_secret_is_readable_in_it_and_no_two_are_alike(backup: str) -> None:
    for own in RING.secrets.values():
        assert own.secret.hex() not in backup
    assert RING.secrets[2].fingerprint in backup
    again = yaml.safe_load(wrap(RING, PASSPHRASE))
    assert not {again["salt"], again["box"]} & set(map(str, yaml.safe_load(backup).values()))


@pytest.mark.parametrize("wrong", ["", PASSPHRASE + " ", PASSPHRASE.upper()])
def test_a_wrong_passphrase_is_called_that(backup: str, wrong: str) -> None:
    assert "the passphrase is wrong" in refused(backup, wrong)


def test_a_damaged_file_is_called_that(backup: str) -> None:
    box = yaml.safe_load(backup)["box"]
    assert "damaged" in refused(changed(backup, box=box[:-8]))
    assert "damaged" in refused(changed(backup, box="%" + box[1:]))
    assert "damaged" in refused(changed(backup, checksum="0" * 64))


def test_what_it_says_of_itself_cannot_be_changed(backup: str) -> None:
    assert "the file was changed" in refused(changed(backup, current=1))
    assert "the file was changed" in refused(changed(backup, fingerprint="0" * 16))
    assert "the file was changed" in refused(changed(backup, salt="0" * 32))


@pytest.mark.parametrize("text", ["", "kind: Grant\n", "{}\n---\n{}", "kind: WrappedKeyRing\ncost: 99\n"])
def test_another_file_is_no_backup(text: str) -> None:
    assert refused(text).startswith("b.yaml")


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(ConfigError, match="shorter than 12"):
        wrap(RING, "eleven char")
