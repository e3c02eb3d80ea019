"""Documents of the register come into force: compared with what holds, judged as a whole, and what differs appended at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from infra.control.facts import Action, Applied, Registered
from infra.control.register.judge import Connected, judge
from infra.control.register.log import RegisterLog, opened
from infra.control.register.state import RegisterState
from infra.runtime.settings import Settings
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.register_log import Document, EntryPut, EntryWithdrawn, Key, document_text, key_of
from schemas.text import Text

Put = tuple[str, Document]
"""File, document."""


@dataclass(frozen=True, slots=True)
class Told:
    """How long things take: `expect` is called once with how many entries will be written, `more` with how many more are."""

    expect: Callable[[int], None] = lambda entries: None
    more: Callable[[int], None] = lambda entries: None


def connected_by(contracts: Sequence[Contract]) -> dict[str, Connected]:
    """What contracts that are applied along with the documents say."""
    return {c.id: Connected(c.resource.provider, c.resource.sharing) for c in contracts}


def difference(before: RegisterState, documents: Sequence[Put]) -> list[Registered]:
    """What putting each of `documents` would do."""
    found = []
    for _, document in documents:
        key, text = key_of(document), document_text(document)
        old = before.texts.get(key)
        action: Action = "created" if old is None else "unchanged" if old == text else "changed"
        changed = _changed(old, text) if old is not None and action == "changed" else ()
        found.append(Registered(*key, action, changed))
    return found


def applied(documents: Sequence[Put], found: Sequence[Registered]) -> list[Applied]:
    """The facts as `bus apply` reports them, with the file of each."""
    return [Applied(file, "register", f.id, f.action, f) for (file, _), f in zip(documents, found, strict=True)]


def plan_register(settings: Settings, documents: Sequence[Put], contracts: Mapping[str, Connected]) -> list[Registered]:
    """What `put_register` would do, writing nothing. ConfigError for what it would refuse; `settings` must be located."""
    with opened(settings) as projection:
        before, known = projection.state(), projection.contracts()
    judge(before, documents, {**known, **contracts})
    return difference(before, documents)


def put_register(
    settings: Settings,
    documents: Sequence[Put],
    contracts: Mapping[str, Connected],
    *,
    by: str,
    now_ms: int,
    told: Told | None = None,
) -> list[Registered]:
    """Put documents, all or none; unchanged ones are not written. One fact for each, in their order.

    contracts   of resources that are applied along, by id, before the log of contracts has them
    Raises ConfigError for a document that is refused (nothing was written), Overtaken if another command was faster,
    TransientError if something is out of reach; all may simply be run again.
    """
    told = told or Told()
    with RegisterLog(settings) as log:
        before = log.projection.state()
        judge(before, documents, {**log.projection.contracts(), **contracts})
        found = difference(before, documents)
        new = [d for (_, d), f in zip(documents, found, strict=True) if f.action != "unchanged"]
        told.expect(len(new))
        log.append([EntryPut(document=d, at=now_ms, by=by) for d in new], told.more)
    return found


def withdraw_register(settings: Settings, key: Key, *, by: str, now_ms: int) -> None:
    """Take a document out of the register. ConfigError if there is none, or others still refer to it."""
    with RegisterLog(settings) as log:
        before = log.projection.state()
        if key not in before.texts:
            raise unknown(*key)
        judge(before, (), {}, (key,))
        log.append([EntryWithdrawn(of=key[0], id=key[1], at=now_ms, by=by)])


def unknown(kind: str, name: str) -> ConfigError:
    """There is no such document."""
    return ConfigError(
        Text(f"the register has no {kind} '{name}'.", f"目录中没有 {kind} '{name}'。"),
        where=name,
        hint=Text(
            "Look for it with 'bus catalogue search' or 'bus directory'.",
            "请用 'bus catalogue search' 或 'bus directory' 查找。",
        ),
    )


def _changed(old: str, new: str) -> tuple[str, ...]:
    before, after = json.loads(old), json.loads(new)
    return tuple(name for name in after if before.get(name) != after[name])
