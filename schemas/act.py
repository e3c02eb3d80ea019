"""Acts: who did what to an application, as entries of the log `bus.applications`. Each is signed by the person who did it, so
the actor is whoever holds the key, never a flag. When it was done is the broker's time of the entry, not the actor's clock.

An entry whose signature does not verify, or that breaks a rule when it is folded in (`infra.control.applications`), is kept,
has no effect, and is reported: anybody may be able to write the log, nobody can act in another's name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from schemas.application import Application
from schemas.approval import Side, StandingItem
from schemas.grant import Grant
from schemas.ids import Id
from schemas.signature import Signature
from schemas.standing_approval import StandingApproval
from schemas.validation import Model
from schemas.view_event import canonical


class Asked(Model):
    """One grant of an application's closed list, as it will be executed if both sides sign it."""

    grant: Grant
    view: str
    """Fingerprint of its view's schema: what the approvers see is what is executed."""
    provider: Id
    """Who provides the resource by its contract then; the exchange asks the contract in force."""


class Drafted(Model):
    """An application exists; it may be drafted again until it is submitted."""

    kind: Literal["drafted"] = "drafted"
    application: Application


class Submitted(Model):
    """It is asked for: the clock starts. Also the answer to a request for supplements."""

    kind: Literal["submitted"] = "submitted"
    application: Id
    asked: tuple[Asked, ...] = Field(min_length=1)


class SupplementRequested(Model):
    """What is missing, all of it at once, and only once (Art. 21). The clock stops."""

    kind: Literal["supplement_requested"] = "supplement_requested"
    application: Id
    missing: tuple[str, ...] = Field(min_length=1)


class FormChecked(Model):
    """The data bureau found the application complete."""

    kind: Literal["form_checked"] = "form_checked"
    application: Id


class Extended(Model):
    """The data bureau consents to more time for the reply (Art. 21: at most 10 working days), and the applicant is told."""

    kind: Literal["extended"] = "extended"
    application: Id
    working_days: int = Field(ge=1, le=10)
    reason: str = Field(min_length=1)


class Mediated(Model):
    """The data bureau's opinion in a dispute (Art. 28). It releases nothing."""

    kind: Literal["mediated"] = "mediated"
    application: Id
    opinion: str = Field(min_length=1)


class Approved(Model):
    """One side approves some of the grants, each with a signature of `schemas.approval.approval_text`."""

    kind: Literal["approved"] = "approved"
    application: Id
    side: Side
    signatures: dict[Id, Signature] = Field(min_length=1)


class Refused(Model):
    """One side refuses some of the grants, with reason and article (Art. 14, 21)."""

    kind: Literal["refused"] = "refused"
    application: Id
    side: Side
    grants: tuple[Id, ...] = Field(min_length=1)
    reason: str = Field(min_length=1)
    article: str = Field(min_length=1)


class AutoReplied(Model):
    """What no provider needs to decide any more, answered at once. Anybody may write it: everything it says is checked.

    standing        grants covered by a line of a standing approval in force: grant -> (standing approval, index of the line)
    unconditional   grants of resources that are shared unconditionally
    """

    kind: Literal["auto_replied"] = "auto_replied"
    application: Id
    standing: dict[Id, tuple[Id, int]] = Field(default_factory=dict)
    unconditional: tuple[Id, ...] = ()


class Withdrawn(Model):
    """The applicant wants it no more."""

    kind: Literal["withdrawn"] = "withdrawn"
    application: Id


class StandingSigned(Model):
    """A provider signs its lines of a standing approval: the closed list, in place of the one it signed before."""

    kind: Literal["standing_signed"] = "standing_signed"
    standing: StandingApproval
    items: tuple[StandingItem, ...]
    signatures: tuple[Signature, ...]
    """One for each item, of `schemas.approval.standing_text`."""


class StandingEnded(Model):
    """A provider's lines of a standing approval approve nothing any more. Grants given under it go on until revoked."""

    kind: Literal["standing_ended"] = "standing_ended"
    standing: Id


class Rectified(Model):
    """The subscriber has mended what its grant was suspended for (Art. 27)."""

    kind: Literal["rectified"] = "rectified"
    grant: Id
    statement: str = Field(min_length=1)


class Destroyed(Model):
    """The subscriber confirms that it has destroyed what it received under a generation of a grant (Art. 27)."""

    kind: Literal["destroyed"] = "destroyed"
    grant: Id
    generation: int = Field(ge=1)
    statement: str = Field(min_length=1)


Deed = (
    Drafted
    | Submitted
    | SupplementRequested
    | FormChecked
    | Extended
    | Mediated
    | Approved
    | Refused
    | AutoReplied
    | Withdrawn
    | StandingSigned
    | StandingEnded
    | Rectified
    | Destroyed
)


class Act(Model):
    """A deed and who did it."""

    deed: Annotated[Deed, Field(discriminator="kind")]
    by: Id
    """The person, as the list of signers names them."""
    nonce: str = Field(pattern="^[0-9a-f]{32}$")
    """Random: the same act said twice is one (a copied entry has no effect)."""
    signature: Signature


_ADAPTER: TypeAdapter[Act] = TypeAdapter(Act)


def act_text(deed: Deed, by: str, nonce: str) -> bytes:
    """What the person signs."""
    return canonical(
        {"kind": "act", "deed": deed.model_dump(mode="json", by_alias=True), "by": by, "nonce": nonce}
    ).encode()


def encode_act(act: Act) -> bytes:
    """The act as it is written to the log."""
    return act.model_dump_json(by_alias=True).encode()


def decode_act(value: bytes | None) -> Act | None:
    """The act, or None for an entry that is none: it can have no effect."""
    try:
        return _ADAPTER.validate_json(value or b"")
    except ValidationError:
        return None
