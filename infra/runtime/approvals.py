"""Whether what a grant carries proves that both sides approved it, and that it goes on. Pure: the grant, the contract in force, who may sign.

The exchange asks for every generation it would release under (`stream_apps.exchange.views`), `bus grants` asks to say why not.
The list of signers is the verifier's own (BUS_SIGNERS): who can write the control log can open a grant there, and it releases
nothing. A signer who leaves the list takes what it signed with it: such grants are withheld until they are approved anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from infra.runtime.orders import went_on
from infra.runtime.signers import Signers
from schemas.approval import Approval, Countersign, Side, approval_text, standing_text
from schemas.contract import Contract
from schemas.policy_state import GrantInForce
from schemas.text import Text

Word = Literal["unsigned", "wrong_signature", "not_a_signer", "one_hand", "not_resumed"]

_SIDES = {"provider": Text("provider", "提供方"), "subscriber": Text("subscriber", "需求方")}


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a grant is not proven: a word for metrics, words for people."""

    word: Word
    why: Text


def doubt(live: GrantInForce, contract: Contract, signers: Signers) -> Doubt | None:
    """What is missing from the proof of a grant's generation under `contract`, the newest of its resource; None if nothing.

    Without a folder of signers nothing is asked for: a grant is as good as whoever wrote it.
    """
    if signers.folder is None:
        return None
    return _unapproved(live, contract, signers) or _not_resumed(live, contract.resource.provider, signers)


def _not_resumed(live: GrantInForce, provider: str, signers: Signers) -> Doubt | None:
    if went_on(live, provider, signers):
        return None
    return Doubt(
        "not_resumed",
        Text(
            "it was suspended, and nobody known here who may do so let it go on; suspend it again and have it resumed.",
            "该授权曾被暂停, 且无有权人员签名恢复; 请再次暂停后由有权人员恢复。",
        ),
    )


def _unapproved(live: GrantInForce, contract: Contract, signers: Signers) -> Doubt | None:
    approval = live.approval
    if approval is None:
        return Doubt(
            "unsigned",
            Text(
                "it carries no approval; it is to be applied for and approved by both sides.",
                "未附审批凭证; 须提出申请并经双方审批。",
            ),
        )
    resource = contract.resource
    subscriber = _doubt_of(approval.subscriber, "subscriber", live.grant.subscriber, live, approval, signers)
    if subscriber is not None:
        return subscriber
    if approval.provider is None:
        return None if resource.sharing == "unconditional" else _unsigned_by(resource.provider)
    provider = _doubt_of(approval.provider, "provider", resource.provider, live, approval, signers)
    return provider or _one_hand(approval)


def _doubt_of(
    sign: Countersign, side: Side, department: str, live: GrantInForce, approval: Approval, signers: Signers
) -> Doubt | None:
    """Of one side: it signed exactly this, and it is somebody who signs for the department."""
    said = _said(sign, side, live, approval)
    person = None if said is None else signers.verify(sign.signature, said)
    en, zh = _SIDES[side].en, _SIDES[side].zh
    if person is None or person.id != sign.by:
        return Doubt(
            "wrong_signature",
            Text(
                f"the {en}'s signature is not of this grant, or its signer is not known here (any more).",
                f"{zh}签名与本授权不符, 或签名人不在(已不在)签名人名册中。",
            ),
        )
    if not signers.signs(person, side, department):
        return Doubt(
            "not_a_signer",
            Text(
                f"{person.id} of {person.department} does not sign for {department} as its {en}.",
                f"{person.department} 的 {person.id} 无权代表 {department} 作为{zh}签名。",
            ),
        )
    return None


def _said(sign: Countersign, side: Side, live: GrantInForce, approval: Approval) -> bytes | None:
    """What must have been signed; None for a standing approval that does not cover the grant, or is not its provider's."""
    if sign.standing is None:
        return approval_text(approval.application, live.grant, live.fingerprint, side)
    if side != "provider" or not sign.standing.covers(live.grant, live.fingerprint):
        return None
    return standing_text(sign.standing)


def _unsigned_by(department: str) -> Doubt:
    return Doubt(
        "unsigned",
        Text(
            f"its resource is not shared unconditionally (any more), and {department} has not signed it.",
            f"其资源不属于(不再属于)无条件共享, 且 {department} 未签名。",
        ),
    )


def _one_hand(approval: Approval) -> Doubt | None:
    """Nobody signs for both sides, under whichever name or key."""
    assert approval.provider is not None
    by_one = approval.provider.by == approval.subscriber.by
    if by_one or approval.provider.signature.key == approval.subscriber.signature.key:
        return Doubt("one_hand", Text("one person signed for both sides.", "双方签名出自同一人。"))
    return None
