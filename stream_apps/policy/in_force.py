"""What a grant that was opened gives under the newest contract: the very view it was opened with, or nothing, with a reason.

A contract may change under a grant. Nobody has approved what the same grant would release then, so it goes on only while
its view is what it was: the same schema, and of the same row the same bytes. Anything else waits until it is applied again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from schemas.avro_types import logical, primitive, without_null
from schemas.contract import Contract
from schemas.errors import BusError
from schemas.paths import Path, parse_path, path_text
from schemas.policy_state import GrantInForce
from schemas.text import Text
from stream_apps.policy.compile import compile_view
from stream_apps.policy.view import View
from stream_apps.policy.where import fields_of

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
    moved = _moved(view, contract, live)
    if moved:
        names = ", ".join(moved)
        return Suspension(
            "other_values",
            Text(
                f"the contract has another type or meaning for {names} now, so that other values would be released; "
                "apply the grant again.",
                f"契约已改变 {names} 的类型或含义, 放行内容将不同; 请重新应用该授权。",
            ),
        )
    return view


def _moved(view: View, contract: Contract, live: GrantInForce) -> list[str]:
    """What the grant uses and the contract it was opened under had in another way; empty if it made the same view."""
    try:
        before = live.contract
        if before is contract:
            return []
        if before is None:
            return [contract.id]
        opened = compile_view(before, live.grant)
    except BusError:
        return [contract.id]
    used = {parse_path(text) for text in live.grant.fields} | (fields_of(view.where) if view.where else set())
    moved = sorted(path_text(p) for p in used if _kind(before, p) != _kind(contract, p))
    if not moved and _same(opened, view):
        return []
    now = {f.name: f.mask.identity() for f in view.fields}
    return moved or [f.name for f in opened.fields if f.mask.identity() != now.get(f.name)] or [contract.id]


def _same(opened: View, view: View) -> bool:
    """Not compared: how far `before` is known. It decides what is told of a row that leaves, never what is shown of one."""
    return replace(opened, before_image=view.before_image).id == view.id


def _kind(contract: Contract, path: Path) -> tuple[str, str | None]:
    avro = without_null(contract.places[path].type)
    return primitive(avro), logical(avro)
