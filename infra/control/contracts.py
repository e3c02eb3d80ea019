"""The contracts of a state of the control log, by resource: read when asked for, because most questions touch few of 20,000."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from schemas.contract import Contract
from schemas.policy_state import ContractInForce


@dataclass(frozen=True, slots=True)
class Contracts(Mapping[str, Contract]):
    """Those in force before, with others in their place or beside them. To ask for one that this version cannot read is a
    ConfigError; to ask whether it is there is none.
    """

    before: Mapping[str, ContractInForce]
    instead: Mapping[str, Contract] = field(default_factory=dict)

    def __getitem__(self, resource: str) -> Contract:
        found = self.instead.get(resource)
        return self.before[resource].contract if found is None else found

    def __contains__(self, resource: object) -> bool:
        return resource in self.instead or resource in self.before

    def __iter__(self) -> Iterator[str]:
        return chain(self.instead, (name for name in self.before if name not in self.instead))

    def __len__(self) -> int:
        return sum(1 for _ in self)
