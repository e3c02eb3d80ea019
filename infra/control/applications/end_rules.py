"""What a subscriber says of a grant that was suspended or has ended: that it has mended what was wrong, or destroyed what it
received (Art. 27). Whether the grant stood so then is the control log's to say, not this one's.
"""

from __future__ import annotations

from dataclasses import replace

from infra.control.applications.case import Cases
from infra.runtime.signers import Person, Signers
from schemas.act import Destroyed, Rectified


def rectified(cases: Cases, person: Person, _offset: int, at: int, deed: Rectified, signers: Signers) -> Cases | str:
    """The subscriber has mended what its grant was suspended for; said again, the latest counts (it may be suspended again)."""
    why = _not_theirs(cases, person, deed.grant, signers)
    return why or replace(cases, rectified=cases.rectified.set(deed.grant, at))


def destroyed(cases: Cases, person: Person, _offset: int, at: int, deed: Destroyed, signers: Signers) -> Cases | str:
    """The subscriber has destroyed what it received under a generation of a grant; said once, the first time counts."""
    of = (deed.grant, deed.generation)
    why = _not_theirs(cases, person, deed.grant, signers)
    if why is None and of in cases.destroyed:
        why = "destroyed"
    return why or replace(cases, destroyed=cases.destroyed.set(of, at))


def _not_theirs(cases: Cases, person: Person, grant: str, signers: Signers) -> str | None:
    """Why somebody does not speak for the grant's subscriber: it answers by who signs for it."""
    asked = next((c.items[grant].asked for c in cases.cases.values() if grant in c.items), None)
    if asked is None:
        return "unknown_grant"
    return None if signers.signs(person, "subscriber", asked.grant.subscriber) else "role"
