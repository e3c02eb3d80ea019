"""People with keys of their own in a folder of signers, and the approvals they sign."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.runtime.signers import Signers, read_signers
from schemas.approval import Approval, Countersign, StandingItem, approval_text, standing_text
from schemas.grant import Grant
from schemas.signature import Signature, key_id

ROLES = ("head", "data_office")


@dataclass
class Office:
    """A folder of signers and the private keys of everybody in it."""

    folder: Path
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict)
    _files: dict[str, dict[str, dict[str, object]]] = field(default_factory=dict)

    def admit(self, person: str, department: str, *roles: str) -> None:
        """Add a person to a department's file."""
        self.keys[person] = Ed25519PrivateKey.generate()
        public = base64.b64encode(self.keys[person].public_key().public_bytes_raw()).decode()
        self._files.setdefault(department, {})[person] = {"roles": list(roles or ("head",)), "key": public}
        self._write(department)

    def strike(self, person: str, department: str) -> None:
        """Remove a person from a department's file."""
        del self._files[department][person]
        self._write(department)

    def _write(self, department: str) -> None:
        self.folder.mkdir(exist_ok=True)
        document = {"kind": "Signers", "department": department, "people": self._files[department]}
        (self.folder / f"{department}.yaml").write_text(yaml.safe_dump(document))

    def signers(self) -> Signers:
        return read_signers(self.folder, ROLES, ROLES)

    def sign(self, person: str, said: bytes) -> Signature:
        key = self.keys[person]
        name = key_id(key.public_key().public_bytes_raw())
        return Signature(key=name, value=base64.b64encode(key.sign(said)).decode())

    def approval(self, grant: Grant, view: str, provider: str | None, subscriber: str) -> Approval:
        """Both sides' signatures of a grant; `provider` None where the law approves."""
        mine = self.sign(subscriber, approval_text("app.1", grant, view, "subscriber"))
        theirs = None
        if provider is not None:
            said = approval_text("app.1", grant, view, "provider")
            theirs = Countersign(by=provider, signature=self.sign(provider, said))
        return Approval(application="app.1", provider=theirs, subscriber=Countersign(by=subscriber, signature=mine))

    def under(self, item: StandingItem, grant: Grant, view: str, provider: str, subscriber: str) -> Approval:
        """The same, the provider's being a line of a standing approval."""
        signed = Countersign(by=provider, signature=self.sign(provider, standing_text(item)), standing=item)
        return self.approval(grant, view, None, subscriber).model_copy(update={"provider": signed})
