"""The provider's floor: which masks a grant may use on a field, and within which bounds (DESIGN 7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from schemas.contract import Bound, ContractField, PermittedMask
from schemas.errors import ConfigError
from schemas.text import Text
from stream_apps.policy.masks import MASKS, Mask
from stream_apps.policy.masks.generalise import SHORT
from stream_apps.policy.masks.presets import CHINESE


def check_permitted(field: ContractField, mask: Mask, where: str) -> None:
    """ConfigError if the mask is not on the field's list, or a parameter is outside the bounds given there."""
    if field.masks is None or mask.name == "drop":
        return
    same = [p for p in map(_spelt_out, field.masks) if p.mask == mask.name]
    if not same:
        allowed = ", ".join(dict.fromkeys(p.mask for p in field.masks))
        raise ConfigError(
            Text(
                f"the contract does not permit '{mask.name}' on '{field.name}'; it permits: {allowed}.",
                f"契约不允许对 '{field.name}' 使用 '{mask.name}'; 允许: {allowed}。",
            ),
            where=where,
        )
    outside = [_outside(p, mask.model_dump(mode="json")) for p in same]
    if all(o is not None for o in outside):
        parameter, bound = next(o for o in outside if o is not None)
        raise ConfigError(
            Text(
                f"outside what the contract permits for '{mask.name}': {bound}.",
                f"超出契约对 '{mask.name}' 的限定: {bound}。",
            ),
            where=f"{where}.{parameter}",
        )


def permits(field: ContractField, mask: str, parameters: Mapping[str, Any]) -> bool:
    """Whether a grant could show the field so: under this very mask, or as it is."""
    return field.masks is None or any(
        p.mask == "pass" or (p.mask == mask and _outside(p, parameters) is None) for p in map(_spelt_out, field.masks)
    )


def permits_freely(field: ContractField, mask: str) -> bool:
    """Whether a grant could show the field as finely as it likes: the contract bounds no parameter of this mask, and the
    mask has some."""
    names = {mask, "generalise" if mask in SHORT else mask}
    free = any(p.mask.replace("-", "_") in names and not p.bounds for p in field.masks or ())
    return permits(field, "pass", {}) or (free and mask in MASKS and bool(MASKS[mask].model_fields))


def _spelt_out(permitted: PermittedMask) -> PermittedMask:
    """`date-to-year` is `generalise` to the year: whoever permits one permits the other. So are 姓名 and `name` one preset."""
    name = permitted.mask.replace("-", "_")
    preset = permitted.bounds.get("preset")
    if name == "partial" and preset is not None and preset.one_of is not None:
        words = [CHINESE.get(word, word) if isinstance(word, str) else word for word in preset.one_of]
        spelt = preset.model_copy(update={"one_of": words})
        return PermittedMask(mask=name, bounds=permitted.bounds | {"preset": spelt})
    if name not in SHORT:
        return permitted.model_copy(update={"mask": name})
    return PermittedMask(mask="generalise", bounds=permitted.bounds | {"to": Bound(one_of=[SHORT[name]])})


def _outside(permitted: PermittedMask, values: Mapping[str, Any]) -> tuple[str, str] | None:
    """The first parameter outside its bounds, and the bounds; None if all are within."""
    for name, bound in sorted(permitted.bounds.items(), key=lambda item: item[0] != "to"):
        if name not in values:
            return name, "unknown parameter in the contract"
        value: Any = values[name]
        if bound.one_of is not None and value not in bound.one_of:
            return name, f"one of {bound.one_of}"
        for number in value if isinstance(value, list) else (value,):
            comparable = isinstance(number, int | float)
            if bound.min is not None and not (comparable and number >= bound.min):
                return name, f"at least {bound.min:g}"
            if bound.max is not None and not (comparable and number <= bound.max):
                return name, f"at most {bound.max:g}"
    return None
