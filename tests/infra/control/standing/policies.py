"""Standing approvals of a test's own, a small city, and what its providers sign."""

from __future__ import annotations

from typing import Any

from infra.control.applications.case import Cases
from infra.control.register.state import RegisterState
from infra.control.signatures import read_private_key
from infra.control.standing.expand import Closed, close_list
from schemas.act import StandingSigned
from schemas.approval import StandingItem, standing_text
from schemas.catalogue_entry import CatalogueEntry, parse_entry
from schemas.contract import Contract
from schemas.directory import Department
from schemas.register_log import document_text, key_of
from schemas.standing_approval import StandingApproval, parse_standing
from tests.infra.control.applications.office import Office
from tests.infra.control.world import contract

VALID = {"from": "2026-11-01", "until": "2027-10-31"}
NOW = 1_795_500_000_000
"""2026-11-24 in Asia/Shanghai."""


def standing_document(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "StandingApproval",
        "id": "tax",
        "title": "综合治税",
        "subscribers": {"departments": ["shuiwu"]},
        "resources": {"resources": ["scjg.r1"]},
        "purpose": "p",
        "basis": "b",
        "fields": {"uscc": "pass"},
        "valid": VALID,
        **changes,
    }


def standing(**changes: Any) -> StandingApproval:
    return parse_standing(standing_document(**changes))


def entry(resource: str, domain: str = "法人") -> CatalogueEntry:
    return parse_entry(
        {
            "id": resource,
            "code": "c",
            "title": "t",
            "provider": "scjg",
            "class": "base",
            "domain": domain,
            "sharing": "unconditional",
            "update": "daily",
        }
    )


DEPARTMENTS = (
    Department(id="shuiwu", title="税务局", certified=("综合治税",)),
    Department(id="rsj", title="人社局", certified=("综合治税", "养老")),
    Department(id="gaj", title="公安局"),
    Department(id="scjg", title="市场监管局", certified=("综合治税",)),
)
CONTRACTS = {
    c.id: c
    for c in (
        contract("scjg.r1"),
        contract("scjg.r2"),
        contract("gaj.r1", provider="gaj"),
        contract("scjg.secret", sharing="refused"),
        contract("scjg.free", sharing="unconditional"),
    )
}


def closed(
    document: StandingApproval, *others: StandingApproval, contracts: dict[str, Contract] | None = None
) -> Closed:
    entries = (entry("scjg.r1"), entry("gaj.r1"), entry("scjg.secret"), entry("scjg.r2", "自然人"), entry("x.y"))
    here = RegisterState({key_of(d): document_text(d) for d in (*DEPARTMENTS, *entries)})
    known = {o.id: o for o in others}
    return close_list(document, contracts or CONTRACTS, here.purposes, here.entries, known)


def signed(
    office: Office, name: str, document: StandingApproval, items: tuple[StandingItem, ...] | None = None
) -> StandingSigned:
    """The lines of scjg, signed by `name`."""
    lines = closed(document).items["scjg"] if items is None else items
    signing = read_private_key(office.key(name))
    return StandingSigned(
        standing=document, items=lines, signatures=tuple(signing.sign(standing_text(i)) for i in lines)
    )


def state_of(cases: Cases) -> object:
    """All that an act without effect must leave as it is."""
    return cases.cases, cases.standing
