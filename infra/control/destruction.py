"""What a subscriber confirms of its grants: that it destroyed what it received, or mended what it was suspended for (Art. 27)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from consumers.control import GrantWatch
from infra.runtime.settings import Settings
from schemas.act import Deed, Destroyed, Rectified
from schemas.errors import ConfigError
from schemas.policy_state import GrantInForce
from schemas.text import Text

Do = Callable[[Settings, Deed], object]
"""Does a deed as the person whose key this process holds; raises if it has no effect."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What was said of a generation of a grant. `due`: the day it was to be said by, if there is one."""

    grant: str
    generation: int
    statement: str
    due: str | None = None


def confirm_destroyed(
    settings: Settings, grant_id: str, statement: str, do: Do, *, generation: int | None = None
) -> Confirmed:
    """Confirm that everything received under a generation of a grant (by default the newest that has ended) is destroyed.

    Raises ConfigError for a grant that has not ended for good, and what `do` raises.
    """
    with GrantWatch(settings) as watch:
        over = _ended(watch, grant_id, generation)
    do(settings, Destroyed(grant=grant_id, generation=over.generation, statement=statement))
    due = None if over.destroy_by is None else over.destroy_by.isoformat()
    return Confirmed(grant_id, over.generation, statement, due)


def confirm_rectified(settings: Settings, grant_id: str, statement: str, do: Do) -> Confirmed:
    """Say that what a grant was suspended for is mended. Raises ConfigError if it is not suspended, and what `do` raises."""
    with GrantWatch(settings) as watch:
        found = watch.grant(grant_id)
    if found.end_reason != "suspended":
        raise _not_so(grant_id, Text("it is not suspended.", "该授权并非暂停状态。"))
    do(settings, Rectified(grant=grant_id, statement=statement))
    return Confirmed(grant_id, found.generation, statement)


def _ended(watch: GrantWatch, grant_id: str, generation: int | None) -> GrantInForce:
    newest = watch.grant(grant_id)
    every = [newest, *(g for g in watch.state().ended if g.grant.id == grant_id)]
    over = [g for g in every if g.ended is not None and g.end_reason != "suspended"]
    found = [g for g in over if generation in (None, g.generation)]
    if not found:
        raise _not_so(
            grant_id,
            Text("no such generation of it has ended for good.", "不存在已最终终止的相应代次。"),
        )
    return max(found, key=lambda g: g.generation)


def _not_so(grant_id: str, why: Text) -> ConfigError:
    return ConfigError(
        Text(f"grant '{grant_id}': {why.en}", f"授权 '{grant_id}': {why.zh}"),
        hint=Text("'bus grants --all' shows how it stands.", "可用 'bus grants --all' 查看状态。"),
    )
