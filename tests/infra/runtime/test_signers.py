"""Who may sign, as the files of a folder say it."""

from __future__ import annotations

import base64
import datetime as dt
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from infra.runtime.signers import Person, Signers, read_signers
from schemas.clock import end_of_day_ms
from schemas.errors import ConfigError
from schemas.signature import Signature, key_id

HEADS = ("head",)


def public(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes_raw()).decode()


def signed(key: Ed25519PrivateKey, said: bytes) -> Signature:
    value = base64.b64encode(key.sign(said)).decode()
    return Signature(key=key_id(key.public_key().public_bytes_raw()), value=value)


def folder(at: Path, department: str, people: dict[str, tuple[str, str]]) -> Path:
    """A folder with one department's file: person -> (role, public key)."""
    lines = ["kind: Signers", f"department: {department}", "people:"]
    lines += [f"  {name}: {{roles: [{role}], key: {key}}}" for name, (role, key) in people.items()]
    at.mkdir(exist_ok=True)
    (at / f"{department}.yaml").write_text("\n".join(lines), encoding="utf-8")
    return at


def two(tmp_path: Path) -> tuple[Signers, Ed25519PrivateKey, Ed25519PrivateKey]:
    head, clerk = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    people = {"zhang.wei": ("head", public(head)), "li.na": ("clerk", public(clerk))}
    return read_signers(folder(tmp_path / "signers", "shuiwu", people), HEADS, HEADS), head, clerk


def test_a_signature_names_its_person_and_nobody_else(tmp_path: Path) -> None:
    signers, head, _ = two(tmp_path)
    assert signers.verify(signed(head, b"said"), b"said") == Person("zhang.wei", "shuiwu", frozenset({"head"}))
    assert signers.verify(signed(head, b"said"), b"other") is None
    assert signers.verify(signed(Ed25519PrivateKey.generate(), b"said"), b"said") is None


def test_only_the_configured_roles_sign_and_only_for_their_own_department(tmp_path: Path) -> None:
    signers, head, clerk = two(tmp_path)
    boss, other = signers.verify(signed(head, b"x"), b"x"), signers.verify(signed(clerk, b"x"), b"x")
    assert boss and other
    assert signers.signs(boss, "provider", "shuiwu") and signers.signs(boss, "subscriber", "shuiwu")
    assert not signers.signs(boss, "provider", "scjg")
    assert not signers.signs(other, "provider", "shuiwu")


def test_a_weakened_contract_may_be_signed_by_who_signs_for_its_provider_and_not_by_a_clerk(tmp_path: Path) -> None:
    signers, head, clerk = two(tmp_path)
    signers.check("shuiwu", signed(head, b"x"), b"x", "contract.sig")
    with pytest.raises(ConfigError, match="not deposited for shuiwu"):
        signers.check("shuiwu", signed(clerk, b"x"), b"x", "contract.sig")


def test_two_people_with_one_key_are_refused(tmp_path: Path) -> None:
    key = public(Ed25519PrivateKey.generate())
    at = folder(tmp_path / "signers", "shuiwu", {"zhang.wei": ("head", key), "li.na": ("clerk", key)})
    with pytest.raises(ConfigError, match=r"zhang\.wei"):
        read_signers(at, HEADS, HEADS)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("kind: Signers\ndepartment: scjg\npeople: {}", "speaks for scjg"),
        ("kind: Signers\ndepartment: shuiwu\npeople: {a: {roles: [head], key: AAAA}}", "32 bytes"),
        ("kind: Signers\ndepartment: shuiwu\npeople: {a: {roles: [king], key: AAAA}}", "king|head"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault(tmp_path: Path, wrong: str, says: str) -> None:
    at = tmp_path / "signers"
    at.mkdir()
    (at / "shuiwu.yaml").write_text(wrong, encoding="utf-8")
    with pytest.raises(ConfigError, match=says) as caught:
        read_signers(at, HEADS, HEADS)
    assert "shuiwu.yaml" in str(caught.value.where)


def test_a_key_signs_through_the_whole_of_its_last_day_in_shanghai_and_what_it_signed_still_verifies(
    tmp_path: Path,
) -> None:
    key = Ed25519PrivateKey.generate()
    at = folder(tmp_path / "signers", "shuiwu", {"zhang.wei": ("head", f"{public(key)}, until: 2026-11-24")})
    signers = read_signers(at, HEADS, HEADS)
    person = signers.verify(signed(key, b"said"), b"said")
    assert person is not None, "a signature outlives its key"
    assert person.until == dt.date(2026, 11, 24)
    last = end_of_day_ms(person.until)
    assert person.signs_at(last)
    assert not person.signs_at(last + 1)
    signers.check("shuiwu", signed(key, b"x"), b"x", "contract.sig", dt.date(2026, 11, 24))
    with pytest.raises(ConfigError, match=r"zhang\.wei of shuiwu was valid until 2026-11-24"):
        signers.check("shuiwu", signed(key, b"x"), b"x", "contract.sig", dt.date(2026, 11, 25))


def test_without_a_last_day_a_key_signs_at_any_time(tmp_path: Path) -> None:
    signers, head, _ = two(tmp_path)
    person = signers.verify(signed(head, b"x"), b"x")
    assert person is not None
    assert person.signs_at(4_000_000_000_000)


def test_one_persons_key_is_found_among_all_files_and_a_fault_in_anothers_keeps_nobody_from_it(tmp_path: Path) -> None:
    key, seal = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    at = folder(tmp_path / "signers", "shuiwu", {"zhang.wei": ("head", public(key))})
    pem = seal.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (at / "scjg.pub").write_bytes(pem)
    (at / "gaj.yaml").write_text("people: [")
    (at / "gaj.pub").write_text("nothing")
    for one, person in ((key, "zhang.wei"), (seal, "scjg")):
        found = read_signers(at, HEADS, HEADS, holding=public(one))
        assert [p.id for p, _ in found.people.values()] == [person]
    with pytest.raises(ConfigError):
        read_signers(at, HEADS, HEADS)
