"""An application becomes the closed list of grants it asks for: one for each subscriber and resource. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.control.applications.default_fields import default_fields
from schemas.act import Asked
from schemas.application import Application, ApplicationItem
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant, MaskUse
from schemas.ids import MAX_ID
from schemas.text import Text
from schemas.validation import build
from stream_apps.policy import compile_view

Domain = Callable[[str], Sequence[str]]
"""The resources of a catalogue class (`base:法人`), by id; those without a contract may be among them."""


@dataclass(frozen=True, slots=True)
class Expanded:
    """asked: the closed list. left_out: what a pattern or a domain met and that cannot be asked for, with the reason."""

    asked: tuple[Asked, ...]
    left_out: Mapping[str, Text]


def expand(application: Application, contracts: Mapping[str, Contract], domain: Domain) -> Expanded:
    """Everything it asks for under the contracts in force, in a stable order: by item, resource, subscriber.

    A resource that is named must be there to be had; one that a pattern or a domain meets is left out if it is not shared, or
    is the subscriber's own. ConfigError names item and field for what is wrong, for what matches nothing, and for a
    resource that two items ask for.
    """
    asked: list[Asked] = []
    left_out: dict[str, Text] = {}
    taken: dict[str, int] = {}
    for number, item in enumerate(application.items):
        where = f"{application.id}: items.{number}"
        before = len(asked)
        for resource, named in matching(item.resources, item.domain, contracts, domain, where):
            if resource in taken:
                raise _twice(where, resource, taken[resource])
            taken[resource] = number
            why = _not_to_be_had(application, contracts[resource])
            if why is not None and named:
                raise ConfigError(why, where=f"{where}.resources: {resource}")
            if why is not None:
                left_out[resource] = why
                continue
            asked += _of_resource(application, item, contracts[resource], len(asked), where)
        if len(asked) == before:
            raise _nothing(where, item, left_out)
    return Expanded(tuple(asked), left_out)


def matching(
    resources: Sequence[str], domain: str | None, contracts: Mapping[str, Contract], of: Domain, where: str
) -> Iterator[tuple[str, bool]]:
    """The connected resources that ids, patterns or a domain mean, each once and in order, and whether by its own id."""
    found: dict[str, bool] = {}
    if domain is not None:
        entries = of(domain)
        if not entries:
            raise _no_class(domain, where)
        found = dict.fromkeys(sorted(r for r in entries if r in contracts), False)
    for text in resources:
        if "*" not in text:
            if text not in contracts:
                raise ConfigError(
                    Text(f"no contract of '{text}' is in force.", f"没有生效的数据契约 '{text}'。"),
                    where=f"{where}.resources",
                    hint=Text("'bus catalogue search' finds resources.", "可用 'bus catalogue search' 查找资源。"),
                )
            found[text] = True
            continue
        pattern = re.compile(".*".join(map(re.escape, text.split("*"))))
        met = sorted(r for r in contracts if pattern.fullmatch(r))
        if not met:
            raise ConfigError(
                Text(f"'{text}' matches no connected resource.", f"'{text}' 未匹配到已挂接的资源。"),
                where=f"{where}.resources",
            )
        for resource in met:
            found.setdefault(resource, False)
    return iter(found.items())


def _no_class(domain: str, where: str) -> ConfigError:
    return ConfigError(
        Text(f"no entry of the catalogue is in '{domain}'.", f"目录中没有属于 '{domain}' 的条目。"),
        where=f"{where}.domain",
        hint=Text(
            "Write class and domain as the catalogue has them, e.g. base:法人; 'bus catalogue search' shows entries.",
            "请按目录所载书写类别与领域, 如 base:法人; 可用 'bus catalogue search' 查看条目。",
        ),
    )


def _of_resource(
    application: Application, item: ApplicationItem, contract: Contract, count: int, where: str
) -> Iterator[Asked]:
    place = f"{where}: {contract.id}"
    fields = default_fields(contract) if item.fields == "default" else item.fields
    if not fields:
        raise ConfigError(
            Text(
                "its contract permits nothing that could be asked for by default.", "契约未允许任何可默认申请的字段。"
            ),
            where=f"{place}: fields",
            hint=Text("Name fields and masks.", "请写明字段与脱敏方式。"),
        )
    others = [s for s in application.subscribers if s != contract.resource.provider]
    for n, subscriber in enumerate(others, count + 1):
        grant = _grant(application, item, contract, fields, subscriber, n)
        view = compile_view(contract, grant, place)
        yield Asked(grant=grant, view=view.fingerprint, provider=contract.resource.provider)


def _grant(
    application: Application,
    item: ApplicationItem,
    contract: Contract,
    fields: Mapping[str, MaskUse],
    subscriber: str,
    number: int,
) -> Grant:
    name = f"{application.id}.{number}"
    if len(name) > MAX_ID:
        raise ConfigError(
            Text("the id leaves no room for the numbers of its grants.", "编号过长, 无法为授权编号。"),
            where=f"{application.id}: id",
        )
    document = {
        "id": name,
        "subscriber": subscriber,
        "audience": application.audience,
        "resource": contract.id,
        "purpose": application.purpose,
        "basis": application.basis,
        "fields": {path: use.model_dump() for path, use in fields.items()},
        "where": item.where,
        "before": item.before,
        "release_time": item.release_time,
        "valid": application.valid.model_dump(by_alias=True),
    }
    return build(Grant, document, f"{application.id}: {contract.id}")


def _not_to_be_had(application: Application, contract: Contract) -> Text | None:
    resource = contract.resource
    if resource.sharing == "refused":
        return Text(
            f"'{contract.id}' is not shared ({resource.basis}).", f"'{contract.id}' 不予共享({resource.basis})。"
        )
    if application.audience != "government" and not resource.open:
        return Text(f"'{contract.id}' is not open.", f"'{contract.id}' 未开放。")
    if set(application.subscribers) <= {resource.provider}:
        return Text(f"'{contract.id}' is the subscriber's own.", f"'{contract.id}' 由申请部门自己提供。")
    return None


def _twice(where: str, resource: str, other: int) -> ConfigError:
    return ConfigError(
        Text(f"items.{other} asks for '{resource}' already.", f"items.{other} 已申请 '{resource}'。"),
        where=f"{where}.resources",
        hint=Text("Ask for a resource in one item.", "同一资源请只在一项中申请。"),
    )


def _nothing(where: str, item: ApplicationItem, left_out: Mapping[str, Text]) -> ConfigError:
    what = item.domain or ", ".join(item.resources)
    more = next(iter(left_out.values()), None)
    return ConfigError(
        Text(f"'{what}' gives nothing that can be asked for.", f"'{what}' 没有可申请的资源。"),
        where=f"{where}.{'domain' if item.domain else 'resources'}",
        hint=more,
    )
