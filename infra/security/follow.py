"""The broker follows what is in force: called after every change, and by whoever looks after drift."""

from __future__ import annotations

from infra.runtime.kafka import admin
from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings
from infra.security.acls import wanted
from infra.security.principals import list_users, users_by_department
from infra.security.reconcile import Drift, drift, held, repair
from schemas.policy_state import PolicyState


def guarded(settings: Settings) -> bool:
    """Whether the cluster asks who we are. One that does not cannot allow anybody anything, so there is nothing to follow."""
    return settings.security_protocol != "PLAINTEXT"


def look(settings: Settings, state: PolicyState) -> Drift | None:
    """How the broker's ACLs differ from what is in force at `state`; None where there is no authorizer to ask.

    Raises TransientError if the cluster is out of reach, PermanentError if we may not ask.
    """
    client = admin(settings)
    found = held(client)
    return None if found is None else drift(wanted(state, users_by_department(list_users(client))), found)


def follow(settings: Settings, state: PolicyState) -> Drift | None:
    """Bring the broker's ACLs to what is in force; what had to be changed, None where there is no authorizer.

    Adding takes time, in which a grant may have ended: so after adding, the log is read again, and followed again if
    something has changed. Of two commands at once neither brings back what the other has taken away.
    Raises what `look` raises; running it again goes on.
    """
    if not guarded(settings):
        return None
    client, changed = admin(settings), Drift((), ())
    while True:
        found = held(client)
        if found is None:
            return None
        now = drift(wanted(state, users_by_department(list_users(client))), found)
        repair(client, now)
        changed = Drift(changed.missing + now.missing, changed.surplus + now.surplus, now.left)
        if not now.missing:
            return changed
        with PolicyReader(settings, begin=state) as reader:
            newest = reader.read_to_end()
        if newest.epoch == state.epoch:
            return changed
        state = newest
