"""What ends together: all grants of a department, on a resource, or for a purpose."""

from __future__ import annotations

from dataclasses import dataclass

from infra.control.facts import Fence
from infra.control.revoke import end_chosen
from infra.control.who_may import Verb
from infra.runtime.settings import Settings
from schemas.errors import ConfigError
from schemas.policy_state import GrantInForce, PolicyState
from schemas.text import Text


@dataclass(frozen=True, slots=True)
class Scope:
    """What a termination concerns; every part that is given must apply.

    department   as the subscriber, or as the provider of the resource by its contract in force
    """

    department: str | None = None
    resource: str | None = None
    purpose: str | None = None

    def check(self) -> None:
        """ConfigError if nothing is given: that would be everything, and is not meant."""
        if (self.department, self.resource, self.purpose) == (None, None, None):
            raise ConfigError(
                Text(
                    "say a department, a resource or a purpose: all grants at once are not meant.",
                    "请指明部门、资源或用途: 不会一次终止全部授权。",
                ),
                where="bus terminate",
            )

    @property
    def verb(self) -> Verb:
        """What ending it is, as `who_may` names it."""
        return "terminate_widely" if self.resource is None else "terminate"

    def concerned(self, state: PolicyState) -> list[GrantInForce]:
        """Grants that have not ended for good, by id: suspended ones too, so that nobody resumes them."""
        found = (g for g in state.grants.values() if g.ended is None or g.end_reason == "suspended")
        return sorted((g for g in found if self._covers(g, state)), key=lambda g: g.grant.id)

    def _covers(self, grant: GrantInForce, state: PolicyState) -> bool:
        contract = state.contracts.get(grant.grant.resource)
        provider = contract.provider if contract else None
        return (
            self.department in (None, grant.grant.subscriber, provider)
            and self.resource in (None, grant.grant.resource)
            and self.purpose in (None, grant.grant.purpose)
        )


def terminate(settings: Settings, scope: Scope, *, by: str = "bus", now_ms: int | None = None) -> list[Fence]:
    """End for good every grant the scope concerns, in one append, and return their fences.

    Which these are is decided in the command's turn at the log: what was opened since somebody looked ends too.
    Raises ConfigError for an empty scope and if nothing is concerned; for the rest what `revoke_all` says holds.
    """
    scope.check()

    def choose(state: PolicyState) -> list[GrantInForce]:
        found = scope.concerned(state)
        if not found:
            raise ConfigError(
                Text("no grant is concerned.", "没有相关授权。"),
                hint=Text("'bus grants' lists them.", "可用 'bus grants' 查看。"),
            )
        return found

    return end_chosen(settings, choose, "revoked", by, now_ms, scope.verb)
