"""The grants of a resource as the exchange executes them: compiled, keyed, and grouped where they are equal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.runtime.approvals import doubt
from infra.runtime.registry import Registry
from infra.runtime.signers import NOBODY, Signers
from schemas.clock import start_of_day_ms
from schemas.codec import ChangeDecoder, Codec, codec_for
from schemas.contract import Contract
from schemas.errors import ConfigError, PermanentError
from schemas.ids import source_topic, subject
from schemas.key_ring import KeyRing
from schemas.policy_state import ContractInForce, GrantInForce, PolicyState
from schemas.text import Text
from stream_apps.policy import Suspension, View, ViewKeys, derive_keys, view_in_force


@dataclass(frozen=True, slots=True)
class Lane:
    """A grant whose view is in force: where its events go and how they are made. `shared` is equal for grants whose events are the same, byte for byte but the id."""

    grant: GrantInForce
    view: View
    keys: ViewKeys
    codec: Codec
    shared: tuple[Any, ...]
    starts_ms: int
    """When its first day begins, milliseconds since 1970 UTC."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """A grant under which nothing may be released for now, and why (a word for metrics)."""

    grant: GrantInForce
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """What is in force for one resource. `decoder` is None without a contract: records are only counted."""

    decoder: ChangeDecoder | None
    contract: Contract | None
    lanes: Sequence[Lane] = ()
    withheld: Sequence[Withheld] = ()


@dataclass(slots=True)
class RuleBook:
    """Compiles rules once per change of a resource. One thread at a time."""

    ring: KeyRing
    """As the custodian gave it last."""
    registry: Registry
    signers: Signers = NOBODY
    """Whose signatures open a grant. Without a folder, none is asked for."""
    _bounded: KeyRing | None = None
    """`ring` as far as the control log lets it serve."""
    _state: PolicyState | None = None
    _looked: set[str] = field(default_factory=set)
    """Resources whose rules are those of `_state`."""
    _rules: dict[str, tuple[int, Rules]] = field(default_factory=dict)
    _decoders: dict[str, tuple[int, ChangeDecoder]] = field(default_factory=dict)

    def rules(self, state: PolicyState, resource: str) -> Rules:
        """The rules of a resource in a state. Raises nothing about a grant: what does not compile is withheld.

        ConfigError if the control log announces another secret than ours: nothing may be released any more.
        """
        if state is not self._state:
            self._keys(state)
            self._state, self._looked = state, set()
        elif resource in self._looked:
            return self._rules[resource][1]
        self._looked.add(resource)
        version = state.changed.get(resource, -1)
        found = self._rules.get(resource)
        if found is None or found[0] != version:
            rules = self._compile(state.contracts.get(resource), state.active(resource))
            found = self._rules[resource] = version, rules
        return found[1]

    def renew(self, ring: KeyRing) -> None:
        """From now on these keys. What is compiled is compiled again."""
        self.ring, self._bounded, self._state = ring, None, None

    def trust(self, signers: Signers) -> None:
        """From now on these people sign. What is compiled is judged again."""
        self.signers, self._rules, self._state = signers, {}, None

    def _keys(self, state: PolicyState) -> None:
        """The ring as it may serve in a state; where it serves otherwise than before, nothing compiled holds."""
        self.ring.verify(state.keys)
        bounded = self.ring.bounded(state.keys)
        if bounded != self._bounded:
            self._bounded, self._rules = bounded, {}

    def _compile(self, contract: ContractInForce | None, active: Sequence[GrantInForce]) -> Rules:
        if contract is None:
            return Rules(None, None, (), [Withheld(g, "no_contract") for g in active])
        try:
            current = contract.contract
        except ConfigError:
            return Rules(None, None, (), [Withheld(g, "contract_not_understood") for g in active])
        made = [self._view(current, g) for g in active]
        return Rules(
            self._decoder(contract),
            current,
            [m for m in made if isinstance(m, Lane)],
            [m for m in made if isinstance(m, Withheld)],
        )

    def _view(self, contract: Contract, grant: GrantInForce) -> Lane | Withheld:
        view = view_in_force(contract, grant)
        if isinstance(view, Suspension):
            return Withheld(grant, view.word)
        unproven = doubt(grant, contract, self.signers)
        if unproven is not None:
            return Withheld(grant, unproven.word)
        ring = self._bounded or self.ring
        version = grant.key_version if view.keyed else ring.current  # without masks that need keys, any will do
        if version not in ring.secrets:
            return Withheld(grant, "key_retired" if version < ring.newest else "key_unknown")
        keys = derive_keys(ring, grant.grant.subscriber, grant.grant.id, version)
        starts = start_of_day_ms(grant.grant.valid.from_)
        return Lane(grant, view, keys, codec_for(view.schema, grant.schema_id), _shared(view, keys), starts)

    def _decoder(self, contract: ContractInForce) -> ChangeDecoder:
        resource = contract.contract.id
        found = self._decoders.get(resource)
        if found is None or found[0] != contract.epoch:
            made = ChangeDecoder(contract.contract, contract.schema_id, self._resolver(source_topic(resource)))
            found = self._decoders[resource] = contract.epoch, made
        return found[1]

    def _resolver(self, topic: str) -> Any:
        """Schemas by id, of this topic's subject only: another topic's id proves nothing about what the bytes mean."""

        def resolve(schema_id: int) -> dict[str, Any]:
            if subject(topic) not in self.registry.subjects_of(schema_id):
                raise PermanentError(
                    Text("a schema id of another subject.", "模式编号属于其他主题。"), where=f"{topic} #{schema_id}"
                )
            return self.registry.schema(schema_id)

        return resolve


def _shared(view: View, keys: ViewKeys) -> tuple[Any, ...]:
    """All that an event of the view depends on but the moment: grants that share it share the work and the bytes."""
    own_keys = view.key_mode == "token" or view.salted
    return view.id, keys.secret if view.keyed else b"", keys.grant if own_keys else "", keys.version


def lacking(ring: KeyRing, state: PolicyState) -> bool:
    """Whether a custodian has been given news that a ring does not have: a version in use that is newer than all of it, or
    another last day of one."""
    newer = any(g.ended is None and g.key_version > ring.newest for g in state.grants.values())
    own = ring.secrets
    return newer or any(own[v].until != said.until for v, said in state.keys.items() if v in own)
