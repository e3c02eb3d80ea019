"""What people do with applications: plain functions, settings in, facts out. Whoever acts is whose key BUS_IDENTITY names."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

from infra.control.applications.case import Case, Cases, Item
from infra.control.applications.decision_rules import decides, undecided
from infra.control.applications.domains import in_catalogue
from infra.control.applications.expand import Expanded, expand
from infra.control.applications.log import act, read_cases
from infra.control.contracts import Contracts
from infra.control.identity import Identity, identity
from infra.control.listing import state
from infra.control.standing.desk import reply
from infra.runtime.settings import Settings
from infra.runtime.signers import Signers, signers_of
from schemas.act import Approved, Deed, Drafted, Refused, Submitted
from schemas.application import Application
from schemas.approval import Side, approval_text
from schemas.errors import ConfigError
from schemas.text import Text

_SIDES: tuple[Side, ...] = ("provider", "subscriber")


def draft(settings: Settings, application: Application) -> Case:
    """File it as a draft, or change the draft there is. What `act` says of errors holds, here and below."""
    return act(settings, Drafted(application=application)).cases[application.id]


def expanded(settings: Settings, application: Application) -> Expanded:
    """The closed list it would be submitted as, under the contracts in force and the catalogue as they are now."""
    return expand(application, Contracts(state(settings).contracts), in_catalogue(settings))


def submit(settings: Settings, application: str) -> tuple[Case, Expanded]:
    """Ask for it: the list is closed and the clock starts. Also the answer to a request for supplements."""
    case = case_of(read_cases(settings), application)
    found = expanded(settings, case.application)
    return act(settings, Submitted(application=application, asked=found.asked)).cases[application], found


def answered(settings: Settings, application: str, *, now_ms: int | None = None) -> Case:
    """The application once everything in it that needs no provider's decision is answered: by lines of standing approvals,
    and by the law where a resource is shared unconditionally. At once, therefore, and not within a working day.
    """
    reply(settings, application, now_ms=now_ms)
    return case_of(read_cases(settings), application)


def do(settings: Settings, application: str, deed: Deed) -> Case:
    """Any act on one application that needs nothing looked up."""
    return act(settings, deed).cases[application]


def approve(
    settings: Settings, application: str, *, side: Side | None = None, only: Sequence[str] = ()
) -> tuple[Case, tuple[str, ...]]:
    """Sign every open grant the person has a say on, or those whose id or resource a pattern of `only` meets; the case then,
    and the grants signed. ConfigError if there is none, or the person has a say on both sides and did not say which.
    """
    signers = signers_of(settings)
    who = identity(settings, signers)
    case = case_of(read_cases(settings, signers), application)
    side, items = _to_decide(case, who, signers, side, only, approving=True)
    words = {
        i.asked.grant.id: who.signing.sign(approval_text(application, i.asked.grant, i.asked.view, side)) for i in items
    }
    cases = act(settings, Approved(application=application, side=side, signatures=words))
    return cases.cases[application], tuple(words)


def refuse(
    settings: Settings,
    application: str,
    *,
    reason: str,
    article: str,
    side: Side | None = None,
    only: Sequence[str] = (),
) -> tuple[Case, tuple[str, ...]]:
    """Refuse them, with reason and article. What `approve` says holds."""
    signers = signers_of(settings)
    case = case_of(read_cases(settings, signers), application)
    side, items = _to_decide(case, identity(settings, signers), signers, side, only, approving=False)
    names = tuple(i.asked.grant.id for i in items)
    deed = Refused(application=application, side=side, grants=names, reason=reason, article=article)
    return act(settings, deed).cases[application], names


def case_of(cases: Cases, application: str) -> Case:
    """One case. ConfigError if there is no such application."""
    case = cases.cases.get(application)
    if case is None:
        raise ConfigError(
            Text(f"there is no application '{application}'.", f"没有申请 '{application}'。"),
            hint=Text("'bus application list' lists them.", "可用 'bus application list' 查看。"),
        )
    return case


def _to_decide(
    case: Case, who: Identity, signers: Signers, side: Side | None, only: Sequence[str], *, approving: bool
) -> tuple[Side, list[Item]]:
    met = [i for i in case.items.values() if not only or any(_meets(i, pattern) for pattern in only)]
    has_say = {s: [i for i in met if decides(i, s, who.person, signers)] for s in _SIDES}
    sides = [s for s in _SIDES if has_say[s] and side in (None, s)]
    if len(sides) != 1:
        raise _which_side(case, who, bool(sides))
    mine = has_say[sides[0]]
    still = [i for i in mine if undecided(i, sides[0], approving=approving)]
    return sides[0], still or mine  # nothing open: the log's own answer says why


def _meets(item: Item, pattern: str) -> bool:
    grant = item.asked.grant
    return fnmatch.fnmatchcase(grant.id, pattern) or fnmatch.fnmatchcase(grant.resource, pattern)


def _which_side(case: Case, who: Identity, both: bool) -> ConfigError:
    if both:
        return ConfigError(
            Text("you have a say on both sides of it; say which.", "您在双方均有权限, 请指明。"),
            where="--side",
            hint=Text("--side provider or --side subscriber", "--side provider 或 --side subscriber"),
        )
    return ConfigError(
        Text(
            f"nothing of it is for {who.person.id} of {who.person.department} to decide.",
            f"其中没有应由 {who.person.department} 的 {who.person.id} 决定的内容。",
        ),
        where=case.application.id,
        hint=Text(
            "The roles that sign on each side are BUS_PROVIDER_ROLES and BUS_SUBSCRIBER_ROLES.",
            "双方签名角色由 BUS_PROVIDER_ROLES 与 BUS_SUBSCRIBER_ROLES 规定。",
        ),
    )
