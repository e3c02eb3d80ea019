"""What approvers look at: a grant an application asks for, beside the contract in force."""

from __future__ import annotations

from infra.control.applications.cases import case_of
from infra.control.applications.log import read_cases
from infra.control.listing import state
from infra.runtime.settings import Settings
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.text import Text


def requested(settings: Settings, application: str, grant: str | None = None) -> tuple[Contract, Grant]:
    """A grant of an application that was submitted, by its id or number; by default its only or first one.

    ConfigError if there is none, or its resource has no contract any more.
    """
    items = case_of(read_cases(settings), application).items
    name = next(iter(items), None) if grant is None else grant if grant in items else f"{application}.{grant}"
    item = items.get(name) if name is not None else None
    if item is None:
        raise ConfigError(
            Text(
                f"'{application}' asks for no grant '{grant}'." if grant else f"'{application}' was not submitted yet.",
                f"'{application}' 未申请授权 '{grant}'。" if grant else f"'{application}' 尚未提交。",
            ),
            where="--grant" if grant else "--application",
            hint=Text(
                f"'bus application show {application}' lists its grants.",
                f"可用 'bus application show {application}' 查看。",
            ),
        )
    known = state(settings).contracts.get(item.asked.grant.resource)
    if known is None:
        raise ConfigError(
            Text(
                f"no contract of '{item.asked.grant.resource}' is in force.",
                f"没有生效的数据契约 '{item.asked.grant.resource}'。",
            ),
            where=item.asked.grant.id,
        )
    return known.contract, item.asked.grant
