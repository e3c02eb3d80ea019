"""`fields: default`: what a grant asks for if nobody says: as little as is of use.

General fields that are of no person are passed. Of all others the least revealing mask is taken that the contract permits and
that still gives something; where there is none, the field is left out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from itertools import product
from typing import Any

from schemas.avro_types import primitive, without_null
from schemas.contract import Bound, Contract, ContractField, PermittedMask
from schemas.errors import ConfigError
from schemas.grant import Grant, MaskUse, Validity
from schemas.paths import ITEMS, KEYS, Path, path_text
from stream_apps.policy.mask_tree import Granted, leaf_masks
from stream_apps.policy.masks.reveal import Reveal

_LEAST_FIRST = ("pseudonym", "date_to_year", "bucket", "generalise", "partial", "truncate", "regex_replace", "encrypt")
"""From what tells least: which values are equal, a coarser value, a part, all to who has the key."""
_DAY = dt.date(2026, 1, 1)


def default_fields(contract: Contract) -> dict[str, MaskUse]:
    """The fields, by path. Empty if nothing may be released."""
    return {path_text(path): use for f in contract.fields for path, use in _of(contract, (f.name,))}


def _of(contract: Contract, path: Path) -> list[tuple[Path, MaskUse]]:
    """The masks of a value: of all of it, or of what is within."""
    inside = [p for p in contract.places if p[: len(path)] == path]
    if all(_plain(contract.places[p]) for p in inside) and _gives(contract, path, MaskUse(mask="pass")):
        return [(path, MaskUse(mask="pass"))]
    for use in _candidates(contract.places[path]):
        if _gives(contract, path, use):
            return [(path, use)]
    return _within(contract, path, inside)


def _within(contract: Contract, path: Path, inside: list[Path]) -> list[tuple[Path, MaskUse]]:
    """Part by part. A branch of a union has no path; of a map only keys and values together may be had."""
    children = [p for p in inside if len(p) == len(path) + 1 and not p[-1].startswith("<")]
    found = [_of(contract, child) for child in children]
    if {(*path, ITEMS), (*path, KEYS)} <= set(children) and not all(found):
        return []
    return [entry for entries in found for entry in entries]


def _plain(field: ContractField) -> bool:
    return field.level == "general" and field.personal == "none"


def _candidates(field: ContractField) -> Iterator[MaskUse]:
    """What may be tried on a field, the least revealing first; last of all, what is permitted as it is."""
    permitted = [p.model_copy(update={"mask": p.mask.replace("-", "_")}) for p in field.masks or ()]
    if field.masks is None:
        permitted = [PermittedMask(mask=name) for name in _LEAST_FIRST]
    for name in _LEAST_FIRST:
        for entry in permitted:
            if entry.mask == name:
                yield from _uses(entry, field)
    if field.masks is not None and any(p.mask == "pass" for p in permitted):
        yield MaskUse(mask="pass")


def _uses(permitted: PermittedMask, field: ContractField) -> Iterator[MaskUse]:
    """A mask with its own defaults, then with what the contract's bounds name."""
    yield MaskUse(mask=permitted.mask)
    if permitted.mask == "generalise" and "to" not in permitted.bounds:
        levels = ("year",) if primitive(without_null(field.type)) in ("int", "long") else ()
        yield from (MaskUse(mask="generalise", params={"to": level}) for level in levels)
    named = [(name, _values(bound)) for name, bound in permitted.bounds.items()]
    if named:
        for choice in product(*(values for _, values in named)):
            params = {name: value for (name, _), value in zip(named, choice, strict=True) if value is not None}
            yield MaskUse(mask=permitted.mask, params=params)


def _values(bound: Bound) -> list[Any]:
    """What to try for a parameter, from what tells least: the end of its range may be either."""
    ends = [b for b in (bound.min, bound.max) if b is not None]
    return [*(bound.one_of or ()), *(int(e) if e.is_integer() else e for e in ends)][:4] or [None]


def _gives(contract: Contract, path: Path, use: MaskUse) -> bool:
    """Whether a grant may use it there, and its receiver learns something."""
    try:
        masks = leaf_masks(Granted(contract, _asking(contract, {path_text(path): use}), "default"))
    except ConfigError:
        return False
    return bool(masks) and all(_tells(m.reveals()) for m in masks.values())


def _tells(reveal: Reveal) -> bool:
    return reveal.kind != "nothing" and not (reveal.kind == "ends" and reveal.head + reveal.tail == 0)


def _asking(contract: Contract, fields: dict[str, MaskUse]) -> Grant:
    """Whoever asks: which masks are permitted does not depend on it."""
    valid = Validity.model_validate({"from": _DAY, "until": _DAY})
    asker = {"id": "default", "subscriber": "default", "purpose": "default", "basis": "default"}
    return Grant(**asker, resource=contract.id, fields=fields, valid=valid)
