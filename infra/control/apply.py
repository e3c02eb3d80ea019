"""Contracts, grants and rules come into force. Everything is validated before anything is written.

Order: schemas and topics first (harmless if nothing follows: no worker looks at them), then one atomic append to the
control log, which is the moment the documents are in force; then the fences of what they superseded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from confluent_kafka.admin import AdminClient

from infra.control import topics
from infra.control.applications.drafts import Drafts
from infra.control.documents import Documents, read_documents
from infra.control.facts import Applied, ContractApplied, Fence, GrantApplied, RuleApplied
from infra.control.fences import Ending, fence_all
from infra.control.keys import announcements, without_keys
from infra.control.plan import ContractPlan, GrantPlan, Plan, RulePlan, make_plan
from infra.control.register.put import Told, applied, connected_by, plan_register, put_register
from infra.runtime.custodian import existing_keys, held_keys
from infra.runtime.kafka import admin
from infra.runtime.policy_log import ControlLog, PolicyReader
from infra.runtime.registry import Registry
from infra.runtime.settings import Settings
from infra.runtime.signers import signers_of
from infra.security.follow import follow
from schemas.change_event import change_event_schema
from schemas.clock import shanghai_date
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.ids import grant_topic, source_topic, subject
from schemas.key_ring import KeyRing
from schemas.policy_log import ContractPublished, Event, GrantOpened, RulePublished, RuleWithdrawn
from schemas.signature import Signature
from schemas.text import Text
from schemas.view_event import fingerprint

_REGISTRY_THREADS = 8
_ROTATED = Text("the keys were rotated", "密钥已轮换")
T = TypeVar("T")
R = TypeVar("R")


def apply_contract(
    settings: Settings,
    contract: Contract,
    *,
    signature: Signature | None = None,
    by: str = "bus",
    now_ms: int | None = None,
) -> ContractApplied:
    """Put a contract in force. What `apply_files` says holds; `signature` is its provider's, where it needs one."""
    signatures = {} if signature is None else {contract.id: signature}
    documents = Documents((("contract", contract),), (), signatures=signatures)
    fact = apply_documents(settings, documents, by=by, now_ms=now_ms)[0].fact
    assert isinstance(fact, ContractApplied)
    return fact


def apply_grant(settings: Settings, grant: Grant, *, by: str = "bus", now_ms: int | None = None) -> GrantApplied:
    """Put a grant in force. What `apply_files` says holds."""
    fact = apply_documents(settings, Documents((), (("grant", grant),)), by=by, now_ms=now_ms)[0].fact
    assert isinstance(fact, GrantApplied)
    return fact


def apply_files(
    settings: Settings,
    paths: Sequence[Path],
    *,
    dry_run: bool = False,
    by: str = "bus",
    now_ms: int | None = None,
    told: Callable[[Text], None] = lambda text: None,
    read: Callable[[str], None] = lambda file: None,
    entries: Told | None = None,
) -> list[Applied]:
    """Put the contracts, grants and rules in files and folders in force, all or none; one fact for each document.

    by       who does it, as evidence
    now_ms   the time, milliseconds since 1970 UTC; by default the clock's
    told     called with what a person must know besides: of the master keys, and of grants they no longer serve
    read     called with the name of each file before it is read
    entries  told how many entries of directory and catalogue are written, all or none of them, after everything else

    An unchanged document changes nothing, unless the master keys were rotated and its view needs them. A changed grant goes on as its next generation, and the fence of the one before
    is waited for. Grants need the master keys: what the control log does not know of these yet is announced with them.
    Raises ConfigError for a document that is refused and for keys that are not the announced ones (nothing was written),
    Overtaken if another command was faster, TransientError if something is out of reach; all may simply be run again.
    """
    documents = read_documents(paths, read)  # a typing error is told even where no cluster is
    return apply_documents(
        settings.located(), documents, dry_run=dry_run, by=by, now_ms=now_ms, told=told, entries=entries
    )


def apply_documents(
    settings: Settings,
    documents: Documents,
    *,
    dry_run: bool = False,
    by: str = "bus",
    now_ms: int | None = None,
    told: Callable[[Text], None] = lambda text: None,
    entries: Told | None = None,
) -> list[Applied]:
    """Put documents in force. What `apply_files` says holds; `settings` must be located. Applications are drafted, last."""
    now = int(time.time() * 1000) if now_ms is None else now_ms
    today = shanghai_date(now)
    client = admin(settings)
    existing = topics.partition_counts(client)
    signers = signers_of(settings)
    others = [Applied(file, "other", kind, "skipped") for file, kind in documents.skipped]
    drafts = Drafts(settings, documents.applications) if documents.applications else None
    along = connected_by([c for _, c in documents.contracts])
    planned = plan_register(settings, documents.register, along) if documents.register else []
    ring = _keys(settings, dry_run, told) if documents.grants else None
    version = ring.current if ring else 1
    if dry_run:
        with PolicyReader(settings) as reader:
            state = reader.read_to_end()
        announcements(ring, state, by, now)
        plan = make_plan(state, documents, existing, today, signers, version)
        return [
            *_facts(plan, {}, {}, {}),
            *applied(documents.register, planned),
            *(drafts.planned() if drafts else ()),
            *others,
        ]
    with ControlLog(settings) as log:
        news = announcements(ring, log.state, by, now)
        plan = make_plan(log.state, documents, existing, today, signers, version)
        schema_ids = _prepare(settings, client, plan, existing)
        events, names = _events(plan, schema_ids, by, now)
        started = time.monotonic()
        shown = {grant_topic(p.grant.id, p.generation): p.view_schema for p in plan.grants}
        offsets = log.append([*news, *events], shown)[len(news) :]
        epochs = dict(zip(names, offsets, strict=True))
        endings = _superseded(plan, epochs)
        try:
            follow(settings, log.state)
        finally:  # what ended has ended, whether or not the broker lets others in yet
            fences = fence_all(settings, endings, started=started, now_ms=now, client=client, log=log)
        if ring is not None:
            for text in without_keys(ring, log.state, today):
                told(text)
    if any(p.action != "unchanged" for p in planned):
        planned = put_register(settings, documents.register, along, by=by, now_ms=now, told=entries)
    drafted = drafts.file() if drafts else ()
    facts = _facts(plan, schema_ids, epochs, {f.grant: f for f in fences})
    return [*facts, *applied(documents.register, planned), *drafted, *others]


def _keys(settings: Settings, dry_run: bool, told: Callable[[Text], None]) -> KeyRing | None:
    if dry_run:
        return existing_keys(settings)
    held = held_keys(settings)
    for text in held.notes:
        told(text)
    return held.ring


def _prepare(settings: Settings, client: AdminClient, plan: Plan, existing: dict[str, int]) -> dict[str, int]:
    """Schemas and topics, both at once: registry and broker are two processes, and a thousand of each take seconds. Registry
    ids by topic. All changes are checked before anything is made.
    """
    with closing(Registry(settings)) as registry, ThreadPoolExecutor(1) as beside:
        _check_changes(registry, plan)
        made = beside.submit(_create_topics, settings, client, plan, existing)
        ids = _register(registry, plan)
        made.result()
        return ids


def _check_changes(registry: Registry, plan: Plan) -> None:
    changed = [p for p in plan.contracts if p.action == "changed"]
    for p, fits in zip(changed, _parallel(lambda p: _fits(registry, p), changed), strict=True):
        if not fits:
            raise _incompatible(p)


def _register(registry: Registry, plan: Plan) -> dict[str, int]:
    """Registry ids by topic."""
    wanted = [(source_topic(p.contract.id), change_event_schema(p.contract)) for p in plan.contracts if _writes(p)]
    wanted += [(grant_topic(p.grant.id, p.generation), p.view_schema) for p in plan.grants if _writes(p)]
    ids = _parallel(lambda w: registry.register(subject(w[0]), w[1]), wanted)
    return {topic: schema_id for (topic, _), schema_id in zip(wanted, ids, strict=True)}


def _fits(registry: Registry, plan: ContractPlan) -> bool:
    return registry.compatible(subject(source_topic(plan.contract.id)), change_event_schema(plan.contract))


def _incompatible(plan: ContractPlan) -> ConfigError:
    return ConfigError(
        Text(
            "readers of the new contract could not read what was published under the old one.",
            "新契约的读者无法读取旧契约下已发布的数据。",
        ),
        where=plan.file,
        hint=Text(
            "Give new fields a default, keep the types of the others, remove none without a default.",
            "新增字段须有默认值, 其余字段类型不变, 无默认值的字段不可删除。",
        ),
    )


def _create_topics(settings: Settings, client: AdminClient, plan: Plan, existing: dict[str, int]) -> None:
    """Also for unchanged documents: a topic that somebody removed comes back."""
    outage_ms = settings.tolerated_outage_s * 1000
    resources = [p.contract for p in plan.contracts]
    wanted = [t for c in resources for t in topics.of_resource(c.id, c.resource.partitions, outage_ms)]
    wanted += [topics.of_grant(p.grant.id, p.generation, p.partitions, outage_ms) for p in plan.grants]
    topics.create(client, wanted, existing)


def _events(plan: Plan, schema_ids: dict[str, int], by: str, now: int) -> tuple[list[Event], list[str]]:
    """The events, and of each the topic (or the rule) it is about."""
    events: list[Event] = []
    names: list[str] = []
    for c in plan.contracts:
        if _writes(c):
            names.append(topic := source_topic(c.contract.id))
            events.append(
                ContractPublished(
                    resource=c.contract.id,
                    schema_id=schema_ids[topic],
                    contract=c.contract.source,
                    signed=c.signed,
                    at=now,
                    by=by,
                )
            )
    for g in plan.grants:
        if _writes(g):
            names.append(topic := grant_topic(g.grant.id, g.generation))
            events.append(
                GrantOpened(
                    grant=g.grant,
                    generation=g.generation,
                    topic=topic,
                    schema_id=schema_ids[topic],
                    fingerprint=fingerprint(g.view_schema),
                    key_version=g.key_version,
                    approval=g.approval,
                    at=now,
                    by=by,
                )
            )
    for r in plan.rules:
        if _writes(r):
            names.append(_rule_name(r))
            withdrawn = RuleWithdrawn(rule=r.rule.id, at=now, by=by)
            events.append(withdrawn if r.rule.withdrawn else RulePublished(rule=r.rule, at=now, by=by))
    return events, names


def _rule_name(plan: RulePlan) -> str:
    """What stands for a topic: rules have none."""
    return f"rule {plan.rule.id}"


def _superseded(plan: Plan, epochs: dict[str, int]) -> list[Ending]:
    return [
        Ending(old, p.grant.resource, p.partitions, epochs[grant_topic(p.grant.id, p.generation)])
        for p in plan.grants
        if (old := p.supersedes) is not None
    ]


def _facts(
    plan: Plan, schema_ids: dict[str, int], epochs: dict[str, int], fences: dict[str, Fence]
) -> Iterable[Applied]:
    for c in plan.contracts:
        topic = source_topic(c.contract.id)
        known = c.current.schema_id if c.current else -1
        epoch = c.current.epoch if c.current and not _writes(c) else epochs.get(topic, -1)
        fact = ContractApplied(
            c.contract.id,
            c.action,
            schema_ids.get(topic, known),
            topic,
            epoch,
            dict(c.withheld),
            c.weakened,
            c.signed,
        )
        yield Applied(c.file, "contract", c.contract.id, c.action, fact)
    for g in plan.grants:
        topic = grant_topic(g.grant.id, g.generation)
        same = g.current if g.current and not _writes(g) else None
        epoch = same.opened if same else epochs.get(topic, -1)
        schema_id = same.schema_id if same else schema_ids.get(topic, -1)
        reason = _ROTATED if g.rotated else None
        fence = fences.get(g.grant.id)
        opened = GrantApplied(g.grant.id, g.action, g.generation, topic, schema_id, epoch, fence, reason)
        yield Applied(g.file, "grant", g.grant.id, g.action, opened)
    for r in plan.rules:
        told = RuleApplied(r.rule.id, r.action, r.rule.withdrawn, epochs.get(_rule_name(r), -1))
        yield Applied(r.file, "rule", r.rule.id, r.action, told)


def _writes(plan: ContractPlan | GrantPlan | RulePlan) -> bool:
    return plan.action in ("created", "changed")


def _parallel(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Hundreds of short calls to the registry take seconds one after the other."""
    with ThreadPoolExecutor(_REGISTRY_THREADS) as pool:
        return list(pool.map(work, items))
