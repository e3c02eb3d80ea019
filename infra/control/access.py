"""What the broker lets each user do, compared with what is in force, and mended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.control.listing import state
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog
from infra.runtime.settings import Settings
from infra.security.follow import follow, look
from infra.security.principals import list_users, users_by_department
from infra.security.reconcile import Drift, Held


@dataclass(frozen=True, slots=True)
class AclFacts:
    """How the broker's ACLs differ, or differed, from what is in force.

    guarded   whether the cluster has an authorizer at all; without, everybody may do everything
    missing   what somebody should be allowed and is not
    surplus   what is allowed and should not be
    left      DENY entries and the like, which only close and are left alone
    repaired  whether both have been mended by now
    told      entries that desks lacked and have now
    """

    guarded: bool
    missing: tuple[Held, ...] = ()
    surplus: tuple[Held, ...] = ()
    left: tuple[Held, ...] = ()
    repaired: bool = False
    told: int = 0


def show_acls(settings: Settings) -> AclFacts:
    """The differences; nothing is changed."""
    return _facts(look(settings, state(settings)), False)


def repair_acls(settings: Settings, departments: Sequence[str] | None = None) -> AclFacts:
    """Mend the differences, and make and fill the desks of `departments`, by default of all that have users.

    Raises TransientError if the cluster is out of reach (run it again), PermanentError if we may not change ACLs.
    """
    found = follow(settings, state(settings))
    if found is None:
        return _facts(None, True)
    names = list(users_by_department(list_users(admin(settings)))) if departments is None else list(departments)
    with ControlLog(settings) as log:
        told = log.fill_desks(names)
    return _facts(found, True, told)


def _facts(found: Drift | None, repaired: bool, told: int = 0) -> AclFacts:
    if found is None:
        return AclFacts(False)
    return AclFacts(True, found.missing, found.surplus, found.left, repaired, told)
