"""Whether a suspended grant was let go on by who may. Pure: the orders in the control log, who may sign, whose resource it is.

The exchange asks it of every generation that follows a suspension, so that who can write the control log, and is neither side,
opens nothing again that somebody stopped; commands ask the same before they write (`infra.control.who_may`).
"""

from __future__ import annotations

from collections.abc import Collection

from infra.runtime.signers import BUREAU, Person, Signers
from schemas.order import LIFTS, Capacity, Done, Ordered, held, order_text
from schemas.policy_log import RetryOrdered
from schemas.policy_state import GrantInForce
from schemas.retry_order import retry_text


def lets_go_on(person: Person, one: Capacity, subscriber: str, provider: str | None, signers: Signers) -> bool:
    """Whether somebody may take back suspensions on behalf of one side. Who has the bureau's office does so for no other side
    (as with approvals), and not of what their own body receives."""
    if one == "bureau" or BUREAU in person.roles:
        return one == "bureau" and BUREAU in person.roles and person.department != subscriber
    department = provider if one == "provider" else subscriber
    return department is not None and signers.signs(person, one, department)


def proven(grant: str, generation: int, done: Done, signers: Signers) -> Person | None:
    """Who signed an order: exactly this one, as the person it names, with a key that was valid then. None: nobody."""
    said = done.ordered
    if said is None:
        return None
    person = signers.verify(said.signature, order_text(grant, generation, done.what, said.capacity, said.by, done.at))
    named = person is not None and (person.id, person.department) == (said.by, said.department)
    return person if person is not None and named and person.signs_at(done.at) else None


def went_on(live: GrantInForce, provider: str, signers: Signers) -> bool:
    """Whether everybody who had a generation suspended, or who may act for them, let it go on; of others it is so anyway.

    A suspension counts whether or not it is signed, what takes it back only if it is.
    """
    resumption = live.resumption
    if resumption is None:
        return True
    before = [
        d for d in resumption.before if d.what != "lifted" or _may(live, resumption.generation, d, provider, signers)
    ]
    order = resumption.order
    still = set(held(before))
    return _may(live, resumption.generation, order, provider, signers) and still <= LIFTS[_of(order).capacity]


def may_retry(person: Person, one: Capacity, provider: str | None, subscribers: Collection[str | None]) -> bool:
    """Whether somebody may have dead letters judged once more on behalf of one side: everybody's people at the provider, the
    bureau's, and at a subscriber of letters that are all of its own grants. It releases nothing that no grant gives.

    subscribers  of the letters' grants; None for one that concerns all grants
    """
    if one == "bureau":
        return BUREAU in person.roles
    if not person.roles - {BUREAU}:
        return False
    return person.department == provider if one == "provider" else set(subscribers) == {person.department}


def retry_proven(
    order: RetryOrdered, provider: str | None, subscribers: Collection[str | None], signers: Signers
) -> bool:
    """Whether who may ordered exactly this and signed it; where no signers are known nobody is asked."""
    if signers.folder is None:
        return True
    said = order.ordered
    if said is None:
        return False
    text = retry_text(order.resource, order.letters, said.capacity, said.by, order.at)
    person = signers.verify(said.signature, text)
    if person is None or (person.id, person.department) != (said.by, said.department) or not person.signs_at(order.at):
        return False
    return may_retry(person, said.capacity, provider, subscribers)


def _may(live: GrantInForce, generation: int, done: Done, provider: str, signers: Signers) -> bool:
    grant = live.grant
    person = proven(grant.id, generation, done, signers)
    return person is not None and lets_go_on(person, _of(done).capacity, grant.subscriber, provider, signers)


def _of(done: Done) -> Ordered:
    assert done.ordered is not None  # what is proven carries one
    return done.ordered
