"""Who may stop a grant, let it go on, or end it: one rule, pure. Asked where signers are known; what time ends needs nobody.

suspend    whoever works for the provider or the subscriber, and the data bureau: stopping is for everybody concerned
resume     who signs for the provider, of what the provider or the bureau suspended; the bureau only what the bureau
           suspended, and the subscriber only what the subscriber did. The bureau's people have no other say in it
revoke     who signs for the provider, and who signs for the subscriber (it gives the grant up)
terminate  the same, of every grant concerned; the bureau of a whole department or purpose
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from infra.control.applications.filing_rules import FILERS
from infra.runtime.orders import lets_go_on
from infra.runtime.signers import BUREAU, Person, Signers
from schemas.order import LIFTS, Capacity
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text

Verb = Literal["suspend", "resume", "revoke", "terminate", "terminate_widely"]
"""terminate_widely: everything of a department or for a purpose, on whichever resource."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Concerned:
    """A grant as far as it matters here. `suspended_by`: on whose behalf; None where nobody is known."""

    grant: str
    subscriber: str
    provider: str | None
    suspended_by: tuple[Capacity | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """Who may not do what, and who may."""

    what: Text
    hint: Text


def concerned(grant: GrantInForce, state: PolicyState) -> Concerned:
    """The grant, with the provider by the contract in force."""
    contract = state.contracts.get(grant.grant.resource)
    provider = contract.contract.resource.provider if contract else None
    return Concerned(grant.grant.id, grant.grant.subscriber, provider, grant.suspended_by)


def capacity(verb: Verb, person: Person, of: Concerned, signers: Signers) -> Capacity | None:
    """On whose behalf a person may do this to a grant; None if on nobody's."""
    if verb == "suspend":
        return next(iter(_concerns(person, of)), None)
    if verb == "resume":
        return _lifting(person, of, signers)
    found = _signing(person, of, signers)
    if verb == "terminate_widely" and BUREAU in person.roles:
        return found[0] if found else "bureau"
    return found[0] if found else None


def refusal(verb: Verb, person: Person, grants: Sequence[Concerned], signers: Signers) -> Refusal | None:
    """Why a person may not do this to all of these grants, and who may; None if they may."""
    others = [of for of in grants if capacity(verb, person, of, signers) is None]
    if not others:
        return None
    names = ", ".join(of.grant for of in others[:_SHOWN])
    more = len(others) - _SHOWN
    en, zh = _VERBS[verb].en, _VERBS[verb].zh
    if more > 0:
        names_en, names_zh = f"{names} and {more} more", f"{names} 等 {len(others)} 项授权"
    else:
        names_en, names_zh = names, f"授权 {names}"
    what = Text(
        f"{person.id} of {person.department} may not {en} {names_en}; nothing was done.",
        f"{person.department} 的 {person.id} 无权{zh}{names_zh}; 未执行任何操作。",
    )
    return Refusal(what, _who_may(verb, others[0], signers))


def covers(one: Capacity, of: Concerned) -> bool:
    """Whether what one side lifts is all that keeps a grant suspended."""
    return frozenset(of.suspended_by) <= LIFTS[one]


def _concerns(person: Person, of: Concerned) -> tuple[Capacity, ...]:
    """Everybody's work at either side counts, and the bureau's office."""
    staff = bool(person.roles & FILERS)
    found: list[Capacity] = []
    if staff and person.department == of.provider:
        found.append("provider")
    if BUREAU in person.roles:
        found.append("bureau")
    if staff and person.department == of.subscriber:
        found.append("subscriber")
    return tuple(found)


def _signing(person: Person, of: Concerned, signers: Signers) -> tuple[Capacity, ...]:
    found: list[Capacity] = []
    if of.provider is not None and signers.signs(person, "provider", of.provider):
        found.append("provider")
    if signers.signs(person, "subscriber", of.subscriber):
        found.append("subscriber")
    return tuple(found)


def _lifting(person: Person, of: Concerned, signers: Signers) -> Capacity | None:
    """The capacity that lifts all that stands, else one that lifts some of it."""
    mine = [one for one in _ALL if lets_go_on(person, one, of.subscriber, of.provider, signers)]
    return next(
        (one for one in mine if covers(one, of)), next((o for o in mine if LIFTS[o] & set(of.suspended_by)), None)
    )


_ALL: tuple[Capacity, ...] = ("provider", "bureau", "subscriber")
_VERBS: Mapping[Verb, Text] = {
    "suspend": Text("suspend", "暂停"),
    "resume": Text("resume", "恢复"),
    "revoke": Text("revoke", "撤销"),
    "terminate": Text("terminate", "终止"),
    "terminate_widely": Text("terminate", "终止"),
}


def _who_may(verb: Verb, of: Concerned, signers: Signers) -> Text:
    provider = of.provider or "-"
    if verb == "suspend":
        return Text(
            f"Of {of.grant}: people of {provider} (provider) or {of.subscriber} (subscriber), or the data bureau.",
            f"{of.grant}: 提供方 {provider} 或需求方 {of.subscriber} 的人员, 或数据主管部门。",
        )
    if verb == "resume":
        return _who_resumes(of, provider)
    roles = ", ".join(sorted(signers.roles.get("provider", frozenset()) | signers.roles.get("subscriber", frozenset())))
    return Text(
        f"Of {of.grant}: who signs ({roles}) for {provider} (provider) or {of.subscriber} (subscriber). The data bureau "
        f"suspends (bus suspend {of.grant}), and terminates a whole department or purpose (bus terminate).",
        f"{of.grant}: 提供方 {provider} 或需求方 {of.subscriber} 的签名角色({roles})。数据主管部门可暂停"
        f"(bus suspend {of.grant}), 或按部门、用途整体终止(bus terminate)。",
    )


def _who_resumes(of: Concerned, provider: str) -> Text:
    by = set(of.suspended_by)
    if by == {"subscriber"}:
        return Text(
            f"{of.subscriber} suspended it itself: who signs for {of.subscriber} lets it go on.",
            f"由需求方 {of.subscriber} 自行暂停: 须由该部门签名角色恢复。",
        )
    if by == {"bureau"}:
        return Text(
            f"The data bureau suspended it: it, or who signs for {provider} (provider), lets it go on.",
            f"由数据主管部门暂停: 由其或提供方 {provider} 的签名角色恢复。",
        )
    return Text(
        f"Who signs for {provider} (provider) lets it go on; neither the data bureau nor the subscriber may.",
        f"须由提供方 {provider} 的签名角色恢复; 数据主管部门与需求方均无权恢复。",
    )
