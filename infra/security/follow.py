"""The broker follows what is in force: called after every change, and by whoever looks after drift."""

from __future__ import annotations

from infra.runtime.kafka import admin
from infra.runtime.policy_log import PolicyReader
from infra.runtime.settings import Settings
from infra.security.acls import wanted
from infra.security.reconcile import Drift, drift, held, repair, withdraw
from infra.security.users import users_by_department
from schemas.policy_log import PolicyState


def look(settings: Settings, state: PolicyState) -> Drift | None:
    """How the broker's ACLs differ from what is in force at `state`; None where there is no authorizer to ask."""
    client = admin(settings)
    found = held(client)
    return None if found is None else drift(wanted(state, users_by_department(client)), found)


def follow(settings: Settings, state: PolicyState) -> Drift | None:
    """Bring the broker's ACLs to what is in force; what had to be changed, None where there is no authorizer.

    Adding takes time, in which a grant may have ended: so after adding, the log is read again, and again followed if
    something has changed. Of two commands at once neither brings back what the other has taken away.
    Raises TransientError if the cluster is out of reach (run it again), PermanentError if we may not change ACLs.
    """
    if not settings.security_protocol.startswith("SASL"):
        return None  # a cluster that asks nobody who they are cannot allow them anything
    client, changed = admin(settings), Drift((), ())
    while True:
        found = held(client)
        if found is None:
            return None
        now = drift(wanted(state, users_by_department(client)), found)
        repair(client, now)
        changed = Drift(changed.missing + now.missing, changed.surplus + now.surplus, now.left)
        if not now.missing:
            return changed
        with PolicyReader(settings, begin=state) as reader:
            newest = reader.read_to_end()
        if newest.epoch == state.epoch:
            return changed
        state = newest


def end(settings: Settings, topics: list[str]) -> None:
    """Take away at once what lets anybody read grants' topics: one request, whatever else there is. Raises what `follow` does."""
    if settings.security_protocol.startswith("SASL"):
        withdraw(admin(settings), topics)
