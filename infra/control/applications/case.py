"""What the log of acts makes of an application: a case. Pure: acts in order, the list of signers and nothing else decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from immutables import Map

from schemas.act import Asked
from schemas.application import Application
from schemas.approval import Side, StandingItem
from schemas.signature import Signature
from schemas.standing_approval import StandingApproval

Status = Literal[
    "draft",
    "submitted",
    "supplement_requested",
    "approved",
    "partly_approved",
    "refused",
    "withdrawn",
]
"""What the acts decide. Granted, suspended, terminated and expired are what the control log says of the case's grants."""


@dataclass(frozen=True, slots=True)
class Step:
    """Who did what when, as the case remembers it.

    offset   of the act in the log
    at       the broker's time of it, milliseconds since 1970 UTC; never before the step's before it
    deed     kind of the act
    note     what people should read: missing items, reason and article, an opinion
    grants   the grants it concerned, if not all
    days     working days of an extension
    """

    offset: int
    at: int
    deed: str
    by: str
    department: str
    note: str = ""
    grants: tuple[str, ...] = ()
    days: int = 0
    side: Side | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """One side's word on one grant. `signature` and `standing` as the grant will carry them; by None: the law itself."""

    approved: bool
    by: str | None
    at: int
    signature: Signature | None = None
    standing: StandingItem | None = None
    reason: str = ""
    article: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One grant that is asked for, and what both sides have said by now."""

    asked: Asked
    unconditional: bool = False
    decisions: Mapping[Side, Decision] = field(default_factory=dict)

    @property
    def outcome(self) -> Literal["open", "approved", "refused"]:
        """Refused as soon as one side refuses, approved once both approve."""
        said = [d.approved for d in self.decisions.values()]
        if not all(said):
            return "refused"
        return "approved" if len(said) == 2 else "open"


@dataclass(frozen=True, slots=True)
class Case:
    """One application as it stands."""

    application: Application
    filed_by: str
    department: str
    """Of who drafted it."""
    status: Status
    items: Mapping[str, Item] = field(default_factory=dict)
    """By grant id; empty while it is a draft."""
    history: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing approval as one provider signed it."""

    document: StandingApproval
    provider: str
    items: tuple[StandingItem, ...]
    signatures: tuple[Signature, ...]
    by: str
    at: int
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """An act that had no effect, and why (a word for tests and metrics; the offset says where)."""

    offset: int
    why: str


@dataclass(frozen=True, slots=True)
class Cases:
    """Everything the log of acts holds, in maps that an act changes at the cost of one entry. They are in no order."""

    cases: Map[str, Case] = field(default_factory=Map)
    standing: Map[tuple[str, str], Standing] = field(default_factory=Map)
    """By standing approval and provider."""
    rectified: Map[str, int] = field(default_factory=Map)
    """Grant -> when its subscriber said it was mended."""
    destroyed: Map[tuple[str, int], int] = field(default_factory=Map)
    """Grant and generation -> when its subscriber confirmed destruction."""
    without_effect: tuple[Verdict, ...] = ()
    """The newest of them."""
    seen: Map[str, None] = field(default_factory=Map, repr=False)
    """Key and nonce of every act that was signed."""
