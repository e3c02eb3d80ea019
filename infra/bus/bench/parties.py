"""As whom the parties of a benchmark act. On an unsecured cluster all are one; on a secured one a provider publishes, a
subscriber reads, each with credentials of its own, and both sides sign each grant, as the exchange demands there.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from infra.control import GrantApplied
from infra.control.apply import apply_documents
from infra.control.documents import Documents
from infra.control.principals import hand_over
from infra.runtime.settings import Settings
from infra.security.certificates import write_private
from schemas.approval import Approval, Countersign, Side, approval_text
from schemas.contract import Contract
from schemas.grant import Grant
from schemas.signature import Signature, key_id
from stream_apps.policy.compile import compile_view

_APPLICATION = "benchmark.1"


@dataclass(frozen=True, slots=True)
class Parties:
    """control   who runs commands
    exchange     who the exchange runs as; its addresses may still have to be looked up
    departments  who logs in as whom; on an unsecured cluster nobody does
    heads        the files of their heads' keys
    """

    control: Settings
    exchange: Settings
    departments: dict[str, Settings] = field(default_factory=dict)
    keys: dict[str, Ed25519PrivateKey] = field(default_factory=dict, repr=False)
    heads: dict[str, Path] = field(default_factory=dict)

    def ordered_by(self, department: str) -> Settings:
        """Of a command that the department's head gives, where it is asked who does."""
        return self.control.model_copy(update={"identity": self.heads.get(department)})

    def of(self, department: str) -> Settings:
        """A department's own settings."""
        return self.departments.get(department, self.control)

    def open(self, grant: Grant, contract: Contract) -> GrantApplied:
        """Put a grant in force, signed by both sides if there are any. Raises what `apply_documents` does."""
        approvals = {grant.id: self._approval(grant, contract)} if self.keys else {}
        documents = Documents((), (("grant", grant),), approvals=approvals)
        fact = apply_documents(self.control, documents, by="bench")[0].fact
        assert isinstance(fact, GrantApplied)
        return fact

    def _approval(self, grant: Grant, contract: Contract) -> Approval:
        view = compile_view(contract, grant).fingerprint

        def signed(side: Side, department: str) -> Countersign:
            key = self.keys[department]
            value = base64.b64encode(key.sign(approval_text(_APPLICATION, grant, view, side))).decode()
            return Countersign(
                by=_head(department), signature=Signature(key=key_id(key.public_key().public_bytes_raw()), value=value)
            )

        provider, subscriber = contract.resource.provider, grant.subscriber
        return Approval(
            application=_APPLICATION,
            provider=signed("provider", provider),
            subscriber=signed("subscriber", subscriber),
        )


def unsecured(settings: Settings) -> Parties:
    """Everybody is the same."""
    return Parties(settings, settings)


def secured(settings: Settings, departments: Sequence[str], folder: Path) -> Parties:
    """Credentials and a signing head for each department, in `folder`. Raises what `hand_over` does.

    settings   of the cluster's state folder, without addresses
    """
    signers = folder / "signers"
    signers.mkdir(parents=True, mode=0o700)
    here = settings.model_copy(update={"signers": signers})
    control, keys, logins = here.located(), dict[str, Ed25519PrivateKey](), dict[str, Settings]()
    heads: dict[str, Path] = {}
    for department in departments:
        keys[department] = Ed25519PrivateKey.generate()
        public = base64.b64encode(keys[department].public_key().public_bytes_raw()).decode()
        people = {_head(department): {"roles": ["head"], "key": public}}
        said = {"kind": "Signers", "department": department, "people": people}
        (signers / f"{department}.yaml").write_text(yaml.safe_dump(said))
        heads[department] = folder / f"{_head(department)}.pem"
        pem = keys[department].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        write_private(heads[department], pem)
        file = folder / f"{department}.yaml"
        hand_over(control, department, "main", file)
        logins[department] = Settings(home=folder, credentials=file, key_file=settings.key_file).located()
    return Parties(control, here, logins, keys, heads)


def _head(department: str) -> str:
    return f"{department}.head"
