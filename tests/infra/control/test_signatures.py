"""Signatures as files and keys as people make them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from infra.control.signatures import SUFFIX, read_signature, sign
from infra.control.signing import change_between, sign_change
from infra.runtime.signers import read_signers
from schemas.errors import ConfigError
from schemas.signature import parse_signature
from tests.infra.control.world import contract_source


def openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def pair(folder: Path, department: str) -> Path:
    """A private key, whose public half is deposited in `folder`."""
    private = folder.parent / f"{department}.pem"
    folder.mkdir(exist_ok=True)
    openssl("genpkey", "-algorithm", "ed25519", "-out", private)
    private.chmod(0o600)
    openssl("pkey", "-in", private, "-pubout", "-out", folder / f"{department}.pub")
    return private


def test_what_openssl_made_signs_and_is_checked(tmp_path: Path) -> None:
    private = pair(tmp_path / "keys", "scjg")
    signed = parse_signature(str(sign(private, b"said")), "x")
    signers = read_signers(tmp_path / "keys")
    signers.check("scjg", signed, b"said", "x")
    with pytest.raises(ConfigError, match="not of this change"):
        signers.check("scjg", signed, b"sait", "x")


def test_a_department_may_have_several_keys_while_it_changes_them(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    old, new = pair(keys, "scjg"), pair(keys, "next")
    both = (keys / "scjg.pub").read_text() + (keys / "next.pub").read_text()
    (keys / "next.pub").unlink()
    (keys / "scjg.pub").write_text(both)
    for private in (old, new):
        read_signers(keys).check("scjg", sign(private, b"said"), b"said", "x")


@pytest.mark.parametrize("algorithm", [("-algorithm", "rsa"), ("-algorithm", "x25519")])
def test_a_key_of_another_kind_is_refused_on_both_sides(tmp_path: Path, algorithm: tuple[str, str]) -> None:
    private, keys = tmp_path / "p.pem", tmp_path / "keys"
    keys.mkdir()
    openssl("genpkey", *algorithm, "-out", private)
    private.chmod(0o600)
    openssl("pkey", "-in", private, "-pubout", "-out", keys / "scjg.pub")
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        sign(private, b"said")
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        read_signers(keys)


def test_a_private_key_others_may_read_is_refused_with_the_way_out(tmp_path: Path) -> None:
    private = pair(tmp_path / "keys", "scjg")
    private.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        sign(private, b"said")


@pytest.mark.parametrize(
    "text", ["", "x", "0123456789abcdef", "0123456789abcdef eHg=", "short " + "A" * 86 + "==", "好 坏"]
)
def test_a_file_that_is_no_signature_is_refused_by_name(tmp_path: Path, text: str) -> None:
    contract = tmp_path / "c.avsc"
    assert read_signature(contract) is None
    beside = tmp_path / f"c.avsc{SUFFIX}"
    beside.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="not a signature") as caught:
        read_signature(contract)
    assert caught.value.where == str(beside)


def test_a_folder_that_is_none_and_files_that_are_no_keys_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_signers(tmp_path / "nowhere")
    (tmp_path / "Scjg.pub").write_text("x")
    with pytest.raises(ConfigError, match="not a department"):
        read_signers(tmp_path)
    (tmp_path / "Scjg.pub").rename(tmp_path / "scjg.pub")
    with pytest.raises(ConfigError, match="no public key") as caught:
        read_signers(tmp_path)
    assert caught.value.hint is not None
    assert "openssl genpkey" in caught.value.hint.en
    assert read_signers(None).keys == {}


def test_signing_without_a_cluster_writes_the_signature_beside_the_contract(tmp_path: Path) -> None:
    private = pair(tmp_path / "keys", "scjg")
    old, new = tmp_path / "old.avsc", tmp_path / "new.avsc"
    old.write_text(json.dumps(contract_source("x.r")), encoding="utf-8")
    new.write_text(json.dumps(contract_source("x.r", open=True)), encoding="utf-8")
    signed = sign_change(change_between(new, old, 7), private)
    found = read_signature(new)
    assert found is not None
    assert (signed.signature, signed.key) == (tmp_path / "new.avsc.sig", found.key)
    assert [line.en for line in signed.weakened] == ["open: false -> true"]
    other = tmp_path / "other.avsc"
    other.write_text(json.dumps(contract_source("y.r")), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"y\.r"):
        change_between(new, other, 7)
