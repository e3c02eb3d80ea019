"""Which grants of which applications need no provider's decision any more: one act for each application. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from infra.control.applications.case import Case, Cases, Item
from infra.control.applications.standing_rules import by_line
from schemas.act import AutoReplied
from schemas.contract import Contract
from schemas.errors import ConfigError
from stream_apps.policy import compile_view

_Lines = Mapping[tuple[str, str, str], list[tuple[str, int]]]
"""Provider, resource, subscriber -> standing approval and index of the line."""


def auto_reply(cases: Cases, contracts: Mapping[str, Contract], at_ms: int) -> list[AutoReplied]:
    """What can be answered at `at_ms` (milliseconds since 1970 UTC): applications in order of their ids.

    Only what the contract in force still gives as it was asked for: nothing is approved that could not be granted.
    """
    lines = _lines(cases)
    found = (_of_case(case, cases, contracts, lines, at_ms) for _, case in sorted(cases.cases.items()))
    return [reply for reply in found if reply is not None]


def _lines(cases: Cases) -> _Lines:
    lines: dict[tuple[str, str, str], list[tuple[str, int]]] = defaultdict(list)
    for (name, provider), standing in sorted(cases.standing.items()):
        if standing.ended_at is None:
            for n, item in enumerate(standing.items):
                lines[provider, item.resource, item.subscriber].append((name, n))
    return lines


def _of_case(
    case: Case, cases: Cases, contracts: Mapping[str, Contract], lines: _Lines, at_ms: int
) -> AutoReplied | None:
    if case.status != "submitted":
        return None
    standing: dict[str, tuple[str, int]] = {}
    unconditional: list[str] = []
    for name, item in case.items.items():
        contract = contracts.get(item.asked.grant.resource)
        if "provider" in item.decisions or item.outcome != "open" or contract is None or not _still(item, contract):
            continue
        if contract.resource.sharing == "unconditional" and item.asked.grant.audience == "government":
            unconditional.append(name)
        elif (line := _line(item, cases, lines, at_ms)) is not None:
            standing[name] = line
    if not (standing or unconditional):
        return None
    return AutoReplied(application=case.application.id, standing=standing, unconditional=tuple(unconditional))


def _line(item: Item, cases: Cases, lines: _Lines, at_ms: int) -> tuple[str, int] | None:
    grant = item.asked.grant
    known = lines.get((item.asked.provider, grant.resource, grant.subscriber), ())
    return next((line for line in known if by_line(cases.standing, item, *line, at_ms) is not None), None)


def _still(item: Item, contract: Contract) -> bool:
    """Whether provider and view are what was asked for."""
    if contract.resource.provider != item.asked.provider:
        return False
    try:
        return compile_view(contract, item.asked.grant).fingerprint == item.asked.view
    except ConfigError:
        return False
