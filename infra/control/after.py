"""What would be in force after a command, judged as a whole: every grant beside the others of its subscriber."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from infra.control.contracts import Contracts
from schemas.combination_rule import CombinationRule
from schemas.grant import Grant
from schemas.policy_state import GrantInForce
from stream_apps.policy.combination import broken, refusal
from stream_apps.policy.in_force import Suspension, view_in_force
from stream_apps.policy.together import Held, Shown, check_together


@dataclass(frozen=True, slots=True)
class After:
    """The state after a command.

    contracts, rules  all that are in force then, by id
    going_on          active grants that the command does not name
    applied           grants it names, with the file of each; renewed ones stand for their former generation
    new               which of these open a generation (ids)
    changed           contracts that change: resource -> file
    new_rules         rules that begin or change: id -> file
    """

    contracts: Contracts
    rules: Mapping[str, CombinationRule]
    going_on: Sequence[GrantInForce]
    applied: Sequence[tuple[str, Grant]]
    new: frozenset[str]
    changed: Mapping[str, str]
    new_rules: Mapping[str, str]

    def check(self) -> None:
        """ConfigError for the first thing a subscriber would learn from its grants together that it may not, if the command
        has a part in it."""
        going_on = self._by_subscriber()
        for subscriber in sorted(self._concerned()):
            held = list(self._held(subscriber, going_on.get(subscriber, ())))
            check_together(held, self.new, self.changed)
            for rule in self.rules.values():
                found = broken(rule, held)
                cause = self._cause(rule, [s for shown in found.values() for s in shown])
                if found and cause is not None:
                    raise refusal(rule, found, cause)

    def _concerned(self) -> set[str]:
        """Subscribers for whom the command may change what they learn."""
        every = chain((g.grant for g in self.going_on), (g for _, g in self.applied))
        return {
            g.subscriber for g in every if self.new_rules or g.id in self.new or g.resource in self.changed
        }  # fmt: skip

    def _by_subscriber(self) -> Mapping[str, Sequence[GrantInForce]]:
        out: dict[str, list[GrantInForce]] = {}
        for live in self.going_on:
            out.setdefault(live.grant.subscriber, []).append(live)
        return out

    def _held(self, subscriber: str, going_on: Sequence[GrantInForce]) -> Iterator[Held]:
        """Its grants that release anything."""
        for file, grant in self.applied:
            if grant.subscriber == subscriber:
                yield Held(grant, self.contracts[grant.resource], file)
        for live in going_on:
            contract = self.contracts.get(live.grant.resource)
            if contract is not None and not isinstance(view_in_force(contract, live), Suspension):
                yield Held(live.grant, contract)

    def _cause(self, rule: CombinationRule, shown: Sequence[Shown]) -> str | None:
        """The file because of which a rule is broken; None if it was before."""
        if rule.id in self.new_rules:
            return self.new_rules[rule.id]
        granted = (s.held.file for s in shown if s.held.grant.id in self.new)
        changed = (self.changed[s.held.contract.id] for s in shown if s.held.contract.id in self.changed)
        return next(chain(granted, changed), None)
