"""The masks of a grant on one field: on the field itself, or on what lies within it, put together as the type is.

A grant that addresses something within a field releases that and nothing beside it. Of a map's values it must also say what
becomes of the keys, which are data too.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NoReturn

from schemas.avro_types import AvroType, primitive, without_null
from schemas.contract import Contract, ContractField
from schemas.errors import ConfigError
from schemas.grant import Grant, MaskUse
from schemas.paths import ITEMS, KEYS, Path, parse_path, path_text
from schemas.text import Text
from schemas.validation import full_width_in, half_width
from stream_apps.policy.floor import check_permitted
from stream_apps.policy.mask_use import mask_from
from stream_apps.policy.masks import Mask, Place
from stream_apps.policy.masks.nested import Entries, Items, Members, inner

Uses = Mapping[Path, MaskUse]
"""Masks by what remains of their paths."""


@dataclass(frozen=True)
class Granted:
    """A grant beside its contract. ConfigError, when made, for a path the contract does not have."""

    contract: Contract
    grant: Grant
    where: str
    uses: dict[Path, MaskUse] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        for text, use in self.grant.fields.items():
            path = parse_path(text)
            if path not in self.contract.places:
                _unknown_field(self.contract, text, self.at(path))
            if path in self.uses:
                _refuse(self.at(path), f"'{text}' is granted twice.", f"'{text}' 重复授权。")
            self.uses[path] = use

    @cached_property
    def by_field(self) -> dict[str, dict[Path, MaskUse]]:
        """The uses of each field, by what follows its name."""
        out: dict[str, dict[Path, MaskUse]] = {}
        for path, use in self.uses.items():
            out.setdefault(path[0], {})[path[1:]] = use
        return out

    def at(self, path: Path) -> str:
        """How errors name a path of the grant."""
        return f"{self.where}: fields.{path_text(path)}"


def mask_of(granted: Granted, top: ContractField) -> Mask | None:
    """What becomes of a field under a grant; None if nothing of it is released. ConfigError if it may not be."""
    uses = granted.by_field.get(top.name)
    return None if uses is None else _mask(granted, (top.name,), top.type, uses)


def leaf_masks(granted: Granted) -> dict[Path, Mask]:
    """What becomes of each value of which anything is released, by its path. ConfigError if it may not be."""
    masks = ((top.name, mask_of(granted, top)) for top in granted.contract.fields)
    return {path: leaf for name, mask in masks if mask is not None for path, leaf in _leaves(mask, (name,))}


def _leaves(mask: Mask, path: Path) -> Iterator[tuple[Path, Mask]]:
    if isinstance(mask, Members):
        for name, part in mask.members:
            yield from _leaves(part.mask, (*path, name))
    elif isinstance(mask, Items):
        yield from _leaves(mask.each.mask, (*path, ITEMS))
    elif isinstance(mask, Entries):
        yield from _leaves(mask.key.mask, (*path, KEYS))
        yield from _leaves(mask.value.mask, (*path, ITEMS))
    else:
        yield path, mask


def _mask(granted: Granted, path: Path, avro: AvroType, uses: Uses) -> Mask | None:
    if () not in uses:
        return _within(granted, path, without_null(avro), uses)
    if len(uses) > 1:
        _refuse(
            granted.at(path),
            f"both '{path_text(path)}' and what is within it are granted; grant one or the other.",
            f"'{path_text(path)}' 与其内部字段同时授权; 请二选一。",
        )
    mask = _leaf(granted, path, uses[()])
    return None if mask.name == "drop" else mask


def _leaf(granted: Granted, path: Path, use: MaskUse) -> Mask:
    contract, grant, where = granted.contract, granted.grant, granted.at(path)
    own = contract.places[path]
    plain = own.model_copy(update={"type": without_null(own.type)})
    mask = mask_from(use, plain.type, where)
    for inside, there in contract.places.items():
        if inside[: len(path)] == path:
            check_permitted(there, mask, where)
    key = len(path) == 1 and path[0] in contract.key
    place = Place(where, contract.id, path, plain, key, grant.subscriber, grant.purpose, grant.valid.from_)
    return mask.bound(place)


def _within(granted: Granted, path: Path, avro: AvroType, uses: Uses) -> Mask | None:
    by_step: dict[str, dict[Path, MaskUse]] = {}
    for rest, use in uses.items():
        by_step.setdefault(rest[0], {})[rest[1:]] = use
    kind = primitive(avro)
    assert isinstance(avro, dict)  # the contract has places only within these
    if kind == "record":
        parts = []
        for member in avro["fields"]:
            if member["name"] in by_step:
                mask = _mask(granted, (*path, member["name"]), member["type"], by_step[member["name"]])
                if mask is not None:
                    parts.append((member["name"], inner(mask, member["type"])))
        return Members(members=tuple(parts)) if parts else None
    if kind == "array":
        mask = _mask(granted, (*path, ITEMS), avro["items"], by_step[ITEMS])
        return None if mask is None else Items(each=inner(mask, avro["items"]))
    return _entries(granted, path, avro, by_step)


def _entries(
    granted: Granted, path: Path, avro: dict[str, Any], by_step: dict[str, dict[Path, MaskUse]]
) -> Mask | None:
    text = path_text(path)
    if set(by_step) != {ITEMS, KEYS}:
        _refuse(
            granted.at(path),
            f"of a map, both its keys ({text}{KEYS}) and its values ({text}{ITEMS}) need a mask: its keys are data too.",
            f"映射的键({text}{KEYS})与值({text}{ITEMS})都须指定脱敏方式: 键也是数据。",
        )
    own = _mask(granted, (*path, KEYS), "string", by_step[KEYS])
    value = _mask(granted, (*path, ITEMS), avro["values"], by_step[ITEMS])
    if own is None or value is None:
        return None
    if not own.keeps_keys_apart:
        _refuse(
            granted.at((*path, KEYS)),
            "the keys of a map are passed or pseudonymised: any other mask could make one of two.",
            "映射的键只能原样放行或使用假名: 其他方式可能使两个键相同。",
        )
    return Entries(key=inner(own, "string"), value=inner(value, avro["values"]))


def _unknown_field(contract: Contract, name: str, where: str) -> NoReturn:
    known = [path_text(path) for path in contract.places if "<" not in "".join(path)]
    near = difflib.get_close_matches(name, known, n=1)
    odd = full_width_in(name)
    hint = Text(f"Did you mean '{near[0]}'?", f"是否为 '{near[0]}'?") if near else None
    if odd:
        hint = Text(
            f"It holds full-width punctuation {odd}; write {half_width(odd)}.",
            f"含全角标点 {odd}, 请改为 {half_width(odd)}。",
        )
    raise ConfigError(
        Text(f"'{contract.id}' has no field '{name}'.", f"'{contract.id}' 没有字段 '{name}'。"), where=where, hint=hint
    )


def _refuse(where: str, en: str, zh: str) -> NoReturn:
    raise ConfigError(Text(en, zh), where=where)
