"""The approval a grant carries: which application it comes from, and the signatures of both sides (DESIGN 2).

What is signed is the grant as it will be executed, and the fingerprint of its view's schema: nothing that was approved can be
executed in another form, and nothing else in its place.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from schemas.grant import Grant, MaskUse, Precision, Validity
from schemas.ids import Id
from schemas.signature import Signature
from schemas.validation import Model
from schemas.view_event import canonical

Side = Literal["provider", "subscriber"]


class StandingItem(Model):
    """One line of the closed list that a standing approval was signed as: any application of this subscriber for exactly this
    is approved by the provider within `valid`.
    """

    standing: Id
    version: int = Field(ge=1)
    subscriber: Id
    resource: Id
    purpose: str
    basis: str
    fields: dict[str, MaskUse] = Field(min_length=1)
    where: str | None = None
    before: bool = False
    release_time: Precision = "millisecond"
    valid: Validity
    view: str
    """Fingerprint of the view's schema."""

    def covers(self, grant: Grant, view: str) -> bool:
        """Whether a grant asks for exactly what was signed, within its time."""
        asked = (
            grant.subscriber,
            grant.resource,
            grant.purpose,
            grant.basis,
            grant.fields,
            grant.where,
            grant.before,
            grant.release_time,
            view,
        )
        signed = (
            self.subscriber,
            self.resource,
            self.purpose,
            self.basis,
            self.fields,
            self.where,
            self.before,
            self.release_time,
            self.view,
        )
        within = self.valid.from_ <= grant.valid.from_ and grant.valid.until <= self.valid.until
        return asked == signed and grant.audience == "government" and within


class Countersign(Model):
    """One side's signature. With `standing`, what was signed is that line (`standing_text`), not the grant itself."""

    by: Id
    """The person, as the verifier's list of signers names them."""
    signature: Signature
    standing: StandingItem | None = None


class Approval(Model):
    """The evidence a grant carries. `provider` is None where the resource is shared unconditionally: the law approves."""

    application: Id
    provider: Countersign | None = None
    subscriber: Countersign


def approval_text(application: str, grant: Grant, view: str, side: Side) -> bytes:
    """What one side signs to approve a grant. `view`: fingerprint of its view's schema."""
    said = {
        "kind": "grant.approval",
        "application": application,
        "side": side,
        "grant": grant.model_dump(mode="json", by_alias=True),
        "view": view,
    }
    return canonical(said).encode()


def standing_text(item: StandingItem) -> bytes:
    """What a provider signs for one line of a standing approval."""
    return canonical({"kind": "standing.item", "item": item.model_dump(mode="json", by_alias=True)}).encode()
