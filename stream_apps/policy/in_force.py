"""What a grant that was opened gives under the newest contract: the very view it was opened with, or nothing, with a reason.

A contract may change under a grant. Nobody has approved what the same grant would release then, so it goes on only while
its view is what it was: the same schema, and of the same row the same bytes. Anything else waits until it is applied again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from schemas.contract import Contract
from schemas.errors import BusError
from schemas.policy_log import GrantInForce
from schemas.text import Text
from stream_apps.policy.compile import compile_view
from stream_apps.policy.view import View

Word = Literal["no_contract", "contract_refuses", "other_schema", "other_values"]


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why nothing is released under a grant that has not ended: a word for metrics, words for people."""

    word: Word
    why: Text


def view_in_force(contract: Contract | None, live: GrantInForce) -> View | Suspension:
    """The view of a grant's generation under `contract`, the newest of its resource (None: there is none)."""
    if contract is None:
        return Suspension("no_contract", Text("its resource has no contract.", "其资源没有生效的数据契约。"))
    try:
        view = compile_view(contract, live.grant)
    except BusError as error:
        place = f" ({error.where.removeprefix('grant: ')})" if error.where else ""
        return Suspension("contract_refuses", Text(f"{error.what.en}{place}", f"{error.what.zh}{place}"))
    if view.fingerprint != live.fingerprint:
        return Suspension(
            "other_schema",
            Text("its view has another schema now; apply the grant again.", "其视图模式已变化, 请重新应用该授权。"),
        )
    if not _gives_the_same(view, contract, live):
        return Suspension(
            "other_values",
            Text(
                "the contract gives its fields another meaning now, so that it would release other values; "
                "apply the grant again.",
                "契约已改变其字段的含义, 放行内容将不同; 请重新应用该授权。",
            ),
        )
    return view


def _gives_the_same(view: View, contract: Contract, live: GrantInForce) -> bool:
    """Whether the contract it was opened under makes the same view. Not compared: how far `before` is known, which
    decides what is told about a row that leaves, and never what is shown of one."""
    if live.contract is contract:
        return True
    if live.contract is None:
        return False
    try:
        opened = compile_view(live.contract, live.grant)
    except BusError:
        return False
    return replace(opened, before_image=view.before_image).id == view.id
