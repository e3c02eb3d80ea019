"""What happened to a record under a grant, and why: the evidence, the policy of that moment, and the pure policy once more.

Three ways to ask: for a key, for a place in the resource's source topic, for a place in the grant's own topic. Everything is
read from the cluster by whoever asks, with its own rights: who may not read the source topic is refused by the broker.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from infra.control.explaining import evidence
from infra.control.explaining.case import Case, Told
from infra.control.explaining.facts import Explained, Place
from infra.control.explaining.records import Records
from infra.runtime.custodian import existing_keys
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.keys import key_text
from schemas.text import Text

LIMIT = 1_000_000
"""Records of each partition that are searched for a key, the newest."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One of three: the parts of a raw key by field, a place in the source topic, a place in the grant's topic."""

    key: Mapping[str, Any] | None = None
    source: Place | None = None
    at: Place | None = None


def grants_of(settings: Settings, subscriber: str, resource: str | None, key: Mapping[str, Any] | None) -> list[str]:
    """The grants a department has or had, by id: on a resource, or on all whose key has just the fields of `key`.

    ConfigError if there is none.
    """
    state = evidence.states(settings, ())[-1]

    def meant(grant: Grant) -> bool:
        if resource is not None:
            return grant.resource == resource
        return key is not None and set(state.contracts[grant.resource].contract.key) == set(key)

    found = sorted(g.grant.id for g in state.grants.values() if g.grant.subscriber == subscriber and meant(g.grant))
    if not found:
        raise ConfigError(
            Text(
                f"'{subscriber}' has no such grant: {resource or 'none on a resource with this key'}.",
                f"'{subscriber}' 没有相应授权: {resource or '没有以此为主键的资源'}。",
            ),
            hint=Text("'bus grants --all' lists them.", "可用 'bus grants --all' 查看。"),
        )
    return found


def explain(
    settings: Settings, grant_id: str, asked: Asked, *, limit: int = LIMIT, told: Told = lambda _: None
) -> list[Explained]:
    """What happened, oldest first: one fact for each time a record was judged; of a key, its newest twenty records.

    told  hears of the progress
    Raises ConfigError for an unknown grant, a key that is none of the resource's, a place where no record is, and refused
    access; TransientError if the cluster or the registry is out of reach.
    """
    now = evidence.states(settings, ())[-1]
    grant = now.grants.get(grant_id)
    if grant is None:
        raise ConfigError(
            Text(f"there is no grant '{grant_id}'.", f"没有授权 '{grant_id}'。"),
            hint=Text("'bus grants --all' lists them.", "可用 'bus grants --all' 查看。"),
        )
    with Records(settings) as records, closing(Registry(settings)) as registry:
        case = Case(settings, records, registry, existing_keys(settings), grant, now)
        if asked.at is not None:
            return case.of_event(asked.at)
        if asked.source is not None:
            return case.of_record(case.record(asked.source))
        contract = now.contracts[grant.grant.resource].contract
        found = case.with_key(_raw_key(contract, asked.key or {}), limit, told)
        return [fact for message in found for fact in case.of_record(message)]


def _raw_key(contract: Contract, given: Mapping[str, Any]) -> bytes:
    if set(given) != set(contract.key) or not all(isinstance(v, (str, int)) for v in given.values()):
        raise ConfigError(
            Text(
                f"a key of {contract.id} is a text or a number for each of: {', '.join(contract.key)}.",
                f"{contract.id} 的主键须逐一给出(文本或数字): {'、'.join(contract.key)}。",
            ),
            where="--key",
        )
    return key_text(given[name] for name in contract.key).encode()
