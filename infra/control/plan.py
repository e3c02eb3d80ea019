"""What documents would change, judged against the control log's state. Pure: nothing here writes or asks anyone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from infra.control.after import After
from infra.control.approved import approval_for
from infra.control.contracts import Contracts
from infra.control.documents import Documents
from infra.control.facts import Action
from infra.control.signatures import SUFFIX
from infra.runtime.signers import NOBODY, Signers
from schemas.approval import Approval
from schemas.combination_rule import CombinationRule
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.ids import grant_topic, source_topic
from schemas.policy_state import ContractInForce, GrantInForce, PolicyState
from schemas.signature import ChangeSigned, contract_change
from schemas.text import Text
from schemas.view_event import fingerprint
from stream_apps.policy.compile import compile_view
from stream_apps.policy.in_force import Suspension, view_in_force
from stream_apps.policy.weakening import weakened


@dataclass(frozen=True, slots=True)
class ContractPlan:
    """A contract and what it does to the state."""

    file: str
    contract: Contract
    action: Action
    current: ContractInForce | None
    withheld: Mapping[str, Text]
    """Active grants it no longer allows, unless they are applied together with it."""
    weakened: tuple[Text, ...] = ()
    """What it protects less than the one in force."""
    signed: ChangeSigned | None = None
    """Who answers for that."""


@dataclass(frozen=True, slots=True)
class GrantPlan:
    """A grant, the view it compiles to, and what it does to the state."""

    file: str
    grant: Grant
    action: Action
    generation: int
    partitions: int
    view_schema: dict[str, Any]
    current: GrantInForce | None
    key_version: int = 1
    rotated: bool = False
    """It changes only because the keys its tokens are made under were rotated."""
    approval: Approval | None = None
    """What both sides signed; where signers are known, nothing is opened without."""

    @property
    def topic(self) -> str:
        """Where its events go."""
        return grant_topic(self.grant.id, self.generation)

    @property
    def supersedes(self) -> GrantInForce | None:
        """The generation that ends because of this one."""
        return self.current if self.current and self.current.ended is None and self.action == "changed" else None


@dataclass(frozen=True, slots=True)
class RulePlan:
    """A combination rule and what it does to the state; one that is withdrawn ends what is in force under its id."""

    file: str
    rule: CombinationRule
    action: Action


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done, in order."""

    contracts: tuple[ContractPlan, ...]
    grants: tuple[GrantPlan, ...]
    rules: tuple[RulePlan, ...] = ()


def make_plan(
    state: PolicyState,
    documents: Documents,
    topics: Mapping[str, int],
    today: dt.date,
    signers: Signers = NOBODY,
    key_version: int = 1,
) -> Plan:
    """The plan for `documents`; `topics` are the partition counts of existing topics, `today` is Asia/Shanghai's,
    `key_version` is the master key's that new generations are made under.

    signers   whose signatures count on contracts that protect less than before; where a folder says who may sign, no grant is
              opened that both sides have not signed

    Raises ConfigError for the first document that is refused: file, field and reason.
    """
    in_force = Contracts(state.contracts, {c.id: c for _, c in documents.contracts})
    renewed = {g.id for _, g in documents.grants}
    contracts = [
        _signed(_contract(file, c, state, topics, renewed), documents, signers, today)
        for file, c in documents.contracts
    ]
    grants = [
        _approved(_grant(file, g, state, in_force, today, key_version), documents, signers)
        for file, g in documents.grants
    ]
    rules = [_rule(file, r, state) for file, r in documents.rules]
    plan = Plan(tuple(contracts), tuple(grants), tuple(rules))
    _after(state, plan, in_force).check()
    return plan


def _after(state: PolicyState, plan: Plan, contracts: Contracts) -> After:
    renewed = {p.grant.id for p in plan.grants}
    rules = state.rules | {p.rule.id: p.rule for p in plan.rules}
    return After(
        contracts,
        {name: rule for name, rule in rules.items() if not rule.withdrawn},
        [g for _, g in sorted(state.grants.items()) if g.ended is None and g.grant.id not in renewed],
        [(p.file, p.grant) for p in plan.grants],
        frozenset(p.grant.id for p in plan.grants if p.action != "unchanged"),
        {p.contract.id: p.file for p in plan.contracts if p.action != "unchanged"},
        {p.rule.id: p.file for p in plan.rules if p.action != "unchanged"},
    )


def _rule(file: str, rule: CombinationRule, state: PolicyState) -> RulePlan:
    current = state.rules.get(rule.id)
    if current == rule or (current is None and rule.withdrawn):
        return RulePlan(file, rule, "unchanged")
    return RulePlan(file, rule, "changed" if current else "created")


def _signed(plan: ContractPlan, documents: Documents, signers: Signers, today: dt.date) -> ContractPlan:
    """The plan with the evidence it needs. ConfigError if the contract weakens the one in force and that is not signed."""
    if plan.current is None or not plan.weakened:
        return plan
    provider, since = plan.current.contract.resource.provider, plan.current.epoch
    signature = documents.signatures.get(plan.contract.id)
    if signature is None:
        raise _refused(
            plan.file,
            f"it protects less than the contract in force, and {provider} has not signed that: "
            f"{'; '.join(line.en for line in plan.weakened)}.",
            f"其保护弱于生效中的契约, 且未经 {provider} 签名: {'; '.join(line.zh for line in plan.weakened)}。",
            _sign_it(plan, signers, provider, since),
        )
    replaced = plan.current.contract.source
    said = contract_change(plan.contract.source, replaced, since)
    signers.check(provider, signature, said, f"{plan.file}{SUFFIX}", today)
    return replace(
        plan, signed=ChangeSigned(by=provider, signature=signature, replaces=fingerprint(replaced), since=since)
    )


def _sign_it(plan: ContractPlan, signers: Signers, provider: str, since: int) -> Text:
    keys = Text("", "") if provider in signers.keys else signers.way_out(provider)
    return Text(
        f"The provider runs: bus sign --key PRIVATE.pem {plan.file} (offline: --replaces CURRENT.avsc --since {since}). "
        + keys.en,
        f"请由提供部门执行: bus sign --key 私钥.pem {plan.file} (离线: --replaces 现行契约.avsc --since {since})。"
        + keys.zh,
    )


def _contract(
    file: str, contract: Contract, state: PolicyState, topics: Mapping[str, int], renewed: set[str]
) -> ContractPlan:
    current = state.contracts.get(contract.id)
    if current is not None and current.contract.source == contract.source:
        return ContractPlan(file, contract, "unchanged", current, {})
    before = current.contract if current else None
    if before is not None and before.key != contract.key:
        raise _refused(
            f"{file}: resource.key",
            f"the key of a published resource cannot change (it is {', '.join(before.key)}).",
            f"已发布资源的主键不可更改(现为 {', '.join(before.key)})。",
            _NEW_RESOURCE,
        )
    partitions = before.resource.partitions if before else topics.get(source_topic(contract.id))
    if partitions is not None and partitions != contract.resource.partitions:
        raise _refused(
            f"{file}: resource.partitions",
            f"the source topic has {partitions} partitions, fixed for life, and the contract says "
            f"{contract.resource.partitions}.",
            f"源主题已有 {partitions} 个分区且终身不变, 契约写的是 {contract.resource.partitions}。",
            _NEW_RESOURCE,
        )
    withheld = {} if before is None else _withheld(contract, state, renewed)
    weaker = () if before is None else tuple(weakened(before, contract))
    return ContractPlan(file, contract, "changed" if before else "created", current, withheld, weaker)


def _withheld(contract: Contract, state: PolicyState, renewed: set[str]) -> dict[str, Text]:
    others = (live for live in state.active(contract.id) if live.grant.id not in renewed)
    found = {live.grant.id: view_in_force(contract, live) for live in others}
    return {name: view.why for name, view in found.items() if isinstance(view, Suspension)}


def _grant(
    file: str,
    grant: Grant,
    state: PolicyState,
    contracts: Contracts,
    today: dt.date,
    key_version: int,
) -> GrantPlan:
    contract = contracts.get(grant.resource)
    if contract is None:
        raise _refused(
            f"{file}: resource",
            f"no contract of '{grant.resource}' is in force.",
            f"没有生效的数据契约 '{grant.resource}'。",
            Text("Apply the contract first, or in the same command.", "请先应用数据契约, 或在同一命令中一并应用。"),
        )
    view = compile_view(contract, grant, file)
    schema = view.schema
    current = state.grants.get(grant.id)
    partitions = contract.resource.partitions
    if current is None:
        _not_over(file, grant, today)
        return GrantPlan(file, grant, "created", 1, partitions, schema, None, key_version)
    if current.ended is not None and grant.version <= current.grant.version:
        raise _refused(
            f"{file}: version",
            f"grant '{grant.id}' version {current.grant.version} has ended ({current.end_reason}).",
            f"授权 '{grant.id}' 第 {current.grant.version} 版已终止({current.end_reason})。",
            Text(
                f"To grant it anew, approve it anew and write version: {current.grant.version + 1}.",
                f"如需重新授权, 请重新审批并写 version: {current.grant.version + 1}。",
            ),
        )
    same = (
        current.ended is None
        and current.grant == grant
        and not isinstance(view_in_force(contract, current), Suspension)
    )
    if current.ended is None:
        if same and (current.key_version == key_version or not view.keyed):
            kept = current.key_version
            return GrantPlan(file, grant, "unchanged", current.generation, partitions, schema, current, kept)
        _not_older(file, grant, current.grant)
    _not_over(file, grant, today)
    return GrantPlan(
        file, grant, "changed", current.generation + 1, partitions, schema, current, key_version, rotated=same
    )


def _approved(plan: GrantPlan, documents: Documents, signers: Signers) -> GrantPlan:
    if plan.action == "unchanged":
        return plan
    given, known = documents.approvals.get(plan.grant.id), signers.folder is not None
    view = fingerprint(plan.view_schema)
    return replace(plan, approval=approval_for(plan.file, plan.grant, plan.current, view, given, required=known))


def _not_older(file: str, grant: Grant, current: Grant) -> None:
    if grant.version < current.version:
        raise _refused(
            f"{file}: version",
            f"version {grant.version} is older than version {current.version}, which is in force.",
            f"第 {grant.version} 版早于生效中的第 {current.version} 版。",
        )
    if grant.resource != current.resource or grant.subscriber != current.subscriber:
        raise _refused(
            f"{file}: id",
            f"grant '{grant.id}' is for {current.subscriber} on {current.resource}; another sharing needs another id.",
            f"授权 '{grant.id}' 属于 {current.subscriber} 对 {current.resource}; 另一项共享须使用另一编号。",
        )


def _not_over(file: str, grant: Grant, today: dt.date) -> None:
    if grant.valid.until < today:
        raise _refused(
            f"{file}: valid.until", f"ended on {grant.valid.until}.", f"有效期已于 {grant.valid.until} 届满。"
        )


_NEW_RESOURCE = Text(
    "Publish a new resource under another id, and let it take over.", "请以新的编号发布新资源并逐步替换。"
)


def _refused(where: str, en: str, zh: str, hint: Text | None = None) -> ConfigError:
    return ConfigError(Text(en, zh), where=where, hint=hint)
