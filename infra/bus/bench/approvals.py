"""`bus bench control-plane`: one application for many grants, approved by its provider in one act and granted in one append."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.bus.bench import load
from infra.control.applications.cases import approve, draft, submit
from infra.control.applications.granting import grant_approved
from infra.control.apply import apply_documents
from infra.control.documents import Documents
from infra.control.identity import new_identity
from infra.control.listing import list_grants
from infra.runtime.settings import Settings
from schemas.application import Application, parse_application

SUBSCRIBERS = 10
_APPLICATION = "bench.application"


def measure(settings: Settings, resources: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds each step takes for ten departments that ask for `resources` resources of one provider together, on a cluster
    that has nothing else. RuntimeError unless all of it is in force then.
    """
    folder = folder / "people"
    shutil.rmtree(folder, ignore_errors=True)
    subscribers = [f"bench.subscriber-{n}" for n in range(SUBSCRIBERS)]
    clerk = _person(settings, folder, subscribers[0], "clerk")
    heads = [_person(settings, folder, department, "head") for department in subscribers]
    provider = _person(settings, folder, "bench", "head")
    contracts = tuple(("bench", load.contract(f"bench.asked-{n}")) for n in range(resources))
    apply_documents(settings, Documents(contracts, ()))
    draft(clerk, _application(subscribers))
    submitted = _seconds(lambda: submit(clerk, _APPLICATION))
    for head in heads:
        approve(head, _APPLICATION)
    approved = _seconds(lambda: approve(provider, _APPLICATION))
    granted = _seconds(lambda: grant_approved(provider, [_APPLICATION]))
    count = sum(g.grant.startswith(_APPLICATION) for g in list_grants(settings))
    if count != resources * SUBSCRIBERS:
        raise RuntimeError(f"{count} of {resources * SUBSCRIBERS} grants are in force")
    say(f"{count:,} grants: approved in {approved:.1f} s, in force {granted:.1f} s later")
    return {
        "grants": count,
        "submit_s": round(submitted, 1),
        "approve_s": round(approved, 1),
        "grant_s": round(granted, 1),
    }


def _person(settings: Settings, folder: Path, department: str, role: str) -> Settings:
    """The settings of a process that somebody with this role runs."""
    known = settings.model_copy(update={"signers": folder / "signers"})
    key = folder / f"{department}.{role}.pem"
    new_identity(known, department, f"{role}-{department}", [role], key=key, deposit=True)
    return known.model_copy(update={"identity": key})


def _application(subscribers: list[str]) -> Application:
    document = {
        "kind": "Application",
        "id": _APPLICATION,
        "title": "benchmark",
        "subscribers": subscribers,
        "items": [{"resources": ["bench.asked-*"], "fields": {"district": "pass", "name": "pass"}}],
        "purpose": "benchmark",
        "basis": "benchmark",
        "scenario": "benchmark",
        "scope": "all",
        "valid": {"from": "2026-01-01", "until": "2099-12-31"},
    }
    return parse_application(document)


def _seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
