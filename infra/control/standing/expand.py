"""A standing approval becomes the closed list it would be signed as: one line for each subscriber and resource. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from infra.control.applications.default_fields import default_fields
from infra.control.applications.expand import Domain, matching
from schemas.approval import StandingItem
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant, MaskUse
from schemas.paths import parse_path
from schemas.standing_approval import StandingApproval
from schemas.text import Text
from schemas.validation import build
from stream_apps.policy import compile_view

Certified = Mapping[str, Collection[str]]
"""Every department of the directory, and what it is certified for. Empty while nobody has filled the directory: then
departments can be named, but nobody is certified."""


@dataclass(frozen=True, slots=True)
class Closed:
    """items: the list by provider, in order of resource and subscriber; each provider signs its own.
    left_out: what a pattern, a domain or another standing approval met and that is not approved, with the reason.
    """

    items: Mapping[str, tuple[StandingItem, ...]]
    left_out: Mapping[str, Text]


def close_list(
    document: StandingApproval,
    contracts: Mapping[str, Contract],
    certified: Certified,
    domain: Domain,
    others: Mapping[str, StandingApproval],
) -> Closed:
    """Everything it approves under the contracts in force.

    domain   the resources of a catalogue class (`base:法人`), by id
    others   the standing approvals it may name, by id

    Of each resource those of its fields count that it has. What is named must be there to be had; what a pattern, a domain or
    another standing approval meets is left out if it is not shared, has none of the fields, or may not be shown so.
    ConfigError, with its place, for a department or resource that nobody knows, a field that no resource has, standing
    approvals that name each other in a circle, and for a list that is empty.
    """
    where = document.id
    subscribers = _subscribers(document, certified)
    items: dict[str, list[StandingItem]] = {}
    left_out: dict[str, Text] = {}
    met = dict(_resources(document, contracts, domain, others, (document.id,)))
    _check_fields(document, [contracts[r] for r in met])
    for resource, named in met.items():
        contract = contracts[resource]
        try:
            line = _line(document, contract)
        except ConfigError as error:
            if named:
                raise
            left_out[resource] = error.what
            continue
        provider = contract.resource.provider
        lines = [line.model_copy(update={"subscriber": s}) for s in subscribers if s != provider]
        if lines:
            items.setdefault(provider, []).extend(lines)
        else:
            left_out[resource] = Text("its provider is the only subscriber.", "唯一的需求部门即其提供部门。")
    if not items:
        raise ConfigError(
            Text("it approves nothing.", "该常态化授权不包含任何内容。"),
            where=where,
            hint=next(iter(left_out.values()), None),
        )
    return Closed({p: tuple(lines) for p, lines in sorted(items.items())}, left_out)


def _subscribers(document: StandingApproval, certified: Certified) -> list[str]:
    wanted = document.subscribers
    if wanted.certified is not None:
        found = sorted(d for d, purposes in certified.items() if wanted.certified in purposes)
        if not found:
            raise ConfigError(
                Text(
                    f"no department is certified for '{wanted.certified}'.", f"没有部门具备 '{wanted.certified}' 资格。"
                ),
                where=f"{document.id}: subscribers.certified",
                hint=Text(
                    "The directory says who is certified for what.", "部门资格见部门名录(Department 的 certified)。"
                ),
            )
        return found
    unknown = [d for d in wanted.departments if certified and d not in certified]
    if unknown:
        raise ConfigError(
            Text(f"the directory has no department '{unknown[0]}'.", f"名录中没有部门 '{unknown[0]}'。"),
            where=f"{document.id}: subscribers.departments",
        )
    return sorted(set(wanted.departments))


def _resources(
    document: StandingApproval,
    contracts: Mapping[str, Contract],
    domain: Domain,
    others: Mapping[str, StandingApproval],
    path: tuple[str, ...],
) -> Iterator[tuple[str, bool]]:
    """Resources, and whether they are named by their own ids. `path`: the standing approvals that led here."""
    of, where = document.resources, f"{document.id}: resources"
    if of.standing is None:
        yield from matching(of.resources, of.domain, contracts, domain, where)
        return
    if of.standing in path:
        circle = " → ".join((*path[path.index(of.standing) :], of.standing))
        raise ConfigError(
            Text(f"standing approvals name each other in a circle: {circle}.", f"常态化授权循环引用: {circle}。"),
            where=f"{where}.standing",
            hint=Text("Let one of them name its resources itself.", "请让其中之一自行列出资源。"),
        )
    other = others.get(of.standing)
    if other is None:
        raise ConfigError(
            Text(f"there is no standing approval '{of.standing}'.", f"没有常态化授权 '{of.standing}'。"),
            where=f"{where}.standing",
        )
    for resource, _ in _resources(other, contracts, domain, others, (*path, of.standing)):
        yield resource, False


def _check_fields(document: StandingApproval, contracts: Collection[Contract]) -> None:
    """A field that none of the resources has is a slip of the pen."""
    if document.fields == "default" or not contracts:
        return
    for name in document.fields:
        if not any(parse_path(name) in c.places for c in contracts):
            raise ConfigError(
                Text(f"no resource has the field '{name}'.", f"没有资源含有字段 '{name}'。"),
                where=f"{document.id}: fields.{name}",
            )


def _line(document: StandingApproval, contract: Contract) -> StandingItem:
    """The line of a resource for any subscriber. ConfigError if its contract does not permit it."""
    where = f"{document.id}: {contract.id}"
    fields = _fields(document, contract)
    if not fields:
        raise ConfigError(
            Text("it has none of the fields, or none that may be shown.", "该资源不含所列字段, 或均不可提供。"),
            where=where,
        )
    grant = _asking(document, contract, fields, where)
    view = compile_view(contract, grant, where)
    return StandingItem(
        standing=document.id,
        version=document.version,
        subscriber=grant.subscriber,
        resource=contract.id,
        purpose=grant.purpose,
        basis=grant.basis,
        fields=grant.fields,
        where=grant.where,
        before=grant.before,
        release_time=grant.release_time,
        valid=grant.valid,
        view=view.fingerprint,
    )


def _fields(document: StandingApproval, contract: Contract) -> Mapping[str, MaskUse]:
    if document.fields == "default":
        return default_fields(contract)
    return {name: use for name, use in document.fields.items() if parse_path(name) in contract.places}


def _asking(document: StandingApproval, contract: Contract, fields: Mapping[str, MaskUse], where: str) -> Grant:
    """A grant as a subscriber would ask for it; which one does not change the view."""
    asked = {
        "id": document.id,
        "subscriber": document.id,
        "resource": contract.id,
        "purpose": document.purpose,
        "basis": document.basis,
        "fields": {name: use.model_dump() for name, use in fields.items()},
        "where": document.where,
        "before": document.before,
        "release_time": document.release_time,
        "valid": document.valid.model_dump(by_alias=True),
    }
    return build(Grant, asked, where)
