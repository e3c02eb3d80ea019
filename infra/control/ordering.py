"""Orders as commands give them: where signers are known, by the person whose key this process holds, who must be entitled."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.control.identity import Identity, identity
from infra.control.signatures import read_private_key
from infra.control.who_may import Verb, capacity, concerned, refusal
from infra.runtime.orders import proven
from infra.runtime.settings import Settings
from infra.runtime.signers import NOBODY, Signers, signers_of
from schemas.errors import ConfigError
from schemas.order import Capacity, Done, Ordered, order_text
from schemas.policy_state import GrantInForce, PolicyState
from schemas.signature import key_id


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gives orders. `who` None: no signers are known, nobody is asked, and `by` is all the evidence there is."""

    by: str
    signers: Signers
    who: Identity | None = None

    def entitled(self, verb: Verb, grants: Sequence[GrantInForce], state: PolicyState) -> Mapping[str, Capacity | None]:
        """On whose behalf each of these grants is ordered. ConfigError if they may not do it to one of them."""
        if self.who is None:
            return {g.grant.id: None for g in grants}
        person, found = self.who.person, [concerned(g, state) for g in grants]
        refused = refusal(verb, person, found, self.signers)
        if refused is not None:
            raise ConfigError(refused.what, where=f"bus {verb.removesuffix('_widely')}", hint=refused.hint)
        return {of.grant: capacity(verb, person, of, self.signers) for of in found}

    def ordered(self, grant: GrantInForce, what: str, one: Capacity | None, at: int) -> Ordered | None:
        """The order, signed; None where nobody is asked."""
        if self.who is None or one is None:
            return None
        person = self.who.person
        said = order_text(grant.grant.id, grant.generation, what, one, person.id, at)
        return Ordered(by=person.id, department=person.department, capacity=one, signature=self.who.signing.sign(said))


def giver(settings: Settings, by: str, now_ms: int) -> Giver:
    """Who runs this. Where signers are known, ConfigError unless they know who it is."""
    if settings.signers is None:
        return Giver(by, NOBODY)
    signers = _who_alone(settings)
    who = identity(settings, signers, now_ms=now_ms)
    return Giver(who.person.id, signers, who)


def _who_alone(settings: Settings) -> Signers:
    """The list of signers as far as it tells who this is. Reading all of it takes a third of a second in a city, and stopping
    waits for it; only a key that is written there in another way than everybody's needs that."""
    if settings.identity is None:
        return signers_of(settings)
    public = read_private_key(settings.identity).public
    found = signers_of(settings, holding=base64.b64encode(public).decode())
    return found if key_id(public) in found.people else signers_of(settings)


def proves(grant: GrantInForce, done: Done, signers: Signers) -> bool | None:
    """Whether the signature of an order is of exactly this and by whom it names; None for what carries none."""
    if done.ordered is None:
        return None
    before = grant.resumption
    generation = before.generation if before is not None and done.what == "resumed" else grant.generation
    return proven(grant.grant.id, generation, done, signers) is not None
