"""People with real keys, and a log of acts that is a list."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path
from typing import Any

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.control.applications.case import Case, Cases
from infra.control.applications.fold import after, why_without_effect
from infra.control.signatures import read_private_key
from infra.runtime.settings import Settings
from infra.runtime.signers import Signers, read_signers
from schemas.act import Act, Approved, Asked, Deed, Drafted, Submitted, act_text
from schemas.application import Application, parse_application
from schemas.approval import Side, approval_text
from schemas.grant import parse_grant

PEOPLE = {
    "shuiwu": {"clerk.sw": ["clerk"], "head.sw": ["head"], "office.sw": ["data_office"]},
    "scjg": {"head.sc": ["head"], "office.sc": ["data_office"], "clerk.sc": ["clerk"]},
    "gaj": {"head.ga": ["head"]},
    "dsjj": {"bureau": ["bureau"], "bureau.head": ["bureau", "head"], "head.ds": ["head"]},
}
ROLES = ("head", "data_office")


class Office:
    """Everybody in `PEOPLE`, each with a key in a file of their own, deposited in `folder`."""

    def __init__(self, home: Path) -> None:
        self.home, self.folder = home, home / "signers"
        self.folder.mkdir()
        for department, people in PEOPLE.items():
            entries = {name: {"roles": roles, "key": self._make(name)} for name, roles in people.items()}
            document = {"kind": "Signers", "department": department, "people": entries}
            (self.folder / f"{department}.yaml").write_text(yaml.safe_dump(document))

    def _make(self, name: str) -> str:
        key = Ed25519PrivateKey.generate()
        path = self.key(name)
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        path.chmod(0o600)
        return base64.b64encode(key.public_key().public_bytes_raw()).decode()

    def key(self, name: str) -> Path:
        return self.home / f"{name}.pem"

    @property
    def signers(self) -> Signers:
        return read_signers(self.folder, ROLES, ROLES)

    def act(self, name: str, deed: Deed, *, key: str | None = None) -> Act:
        """Signed by `name`, or with another's key in that name."""
        nonce = secrets.token_hex(16)
        said = act_text(deed, name, nonce)
        return Act(deed=deed, by=name, nonce=nonce, signature=read_private_key(self.key(key or name)).sign(said))

    def approved(
        self, name: str, side: Side, *asked: Asked, application: str = "a", key: str | None = None
    ) -> Approved:
        signing = read_private_key(self.key(key or name))
        words = {a.grant.id: signing.sign(approval_text(application, a.grant, a.view, side)) for a in asked}
        return Approved(application=application, side=side, signatures=words)

    def as_(self, settings: Settings, name: str) -> Settings:
        """The settings of a process this person runs."""
        return settings.model_copy(update={"signers": self.folder, "identity": self.key(name)})


class Book:
    """The log: acts one after the other, a second apart."""

    def __init__(self, office: Office) -> None:
        self.office, self.signers = office, office.signers
        self.cases, self.offset = Cases(), -1

    def add(self, act: Act | None, at: int | None = None) -> str | None:
        """Fold it in; the word why it had no effect, None if it had one."""
        self.offset += 1
        self.cases = after(self.cases, self.offset, self.offset * 1000 if at is None else at, act, self.signers)
        return why_without_effect(self.cases, self.offset)

    def does(self, name: str, deed: Deed, at: int | None = None) -> str | None:
        return self.add(self.office.act(name, deed), at)

    @property
    def case(self) -> Case:
        return self.cases.cases["a"]


def application_document(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "Application",
        "id": "a",
        "title": "企业信息",
        "subscribers": ["shuiwu"],
        "items": [{"resources": ["scjg.r"]}],
        "purpose": "p",
        "basis": "b",
        "scenario": "s",
        "scope": "all",
        "valid": {"from": "2026-11-01", "until": "2027-10-31"},
        **changes,
    }


def application(**changes: Any) -> Application:
    return parse_application(application_document(**changes))


def asked(number: int = 1, provider: str = "scjg", **changes: Any) -> Asked:
    document = {
        "id": f"a.{number}",
        "subscriber": "shuiwu",
        "resource": f"{provider}.r{number}",
        "purpose": "p",
        "basis": "b",
        "fields": {"uscc": "pass"},
        "valid": {"from": "2026-11-01", "until": "2027-10-31"},
        **changes,
    }
    return Asked(grant=parse_grant(document), view="v", provider=provider)


def submitted_book(office: Office, *items: Asked, **changes: Any) -> Book:
    """A log in which the clerk of shuiwu has drafted and submitted the application `a`."""
    book = Book(office)
    assert book.does("clerk.sw", Drafted(application=application(**changes))) is None
    assert book.does("clerk.sw", Submitted(application="a", asked=items or (asked(),))) is None
    return book
