"""Grant + newest contract -> view, or a refusal that names the place, the reason and the way out."""

from __future__ import annotations

import difflib
from typing import Any, NoReturn

import pyarrow as pa
from pydantic import ValidationError

from schemas.avro_types import is_nullable, nullable, without_null
from schemas.codec import arrow_type
from schemas.contract import Contract, ContractField, PermittedMask
from schemas.errors import ConfigError
from schemas.grant import Grant, MaskUse
from schemas.text import Text
from schemas.validation import full_width_in, half_width
from stream_apps.policy.masks import MASKS, Mask
from stream_apps.policy.view import View, ViewField
from stream_apps.policy.where import Predicate, fields_of, parse_where, truth


def compile_view(contract: Contract, grant: Grant, where: str = "grant") -> View:
    """The view `grant` gives on its resource under `contract` (the newest). `where` names the grant in errors.

    Raises ConfigError if the grant may not be: another or a refused resource, an audience the resource is not open to, an
    unknown field or mask, a mask the contract does not permit there, a filter that is wrong or would reveal a field.
    """
    _check_resource(contract, grant, where)
    fields = []
    for name in grant.fields:
        if name not in contract.by_name:
            _unknown_field(contract, name, where)
    for field in contract.fields:
        use = grant.fields.get(field.name)
        mask = _mask(field, use, f"{where}: fields.{field.name}") if use is not None else None
        if mask is not None and mask.name != "drop":
            plain = mask.result(without_null(field.type))
            fields.append(ViewField(field.name, mask, nullable(plain) if is_nullable(field.type) else plain))
    if not fields:
        _refuse(
            f"{where}: fields",
            "every field is dropped; the grant releases nothing.",
            "所有字段均被去除, 授权不放行任何内容。",
        )
    for name in {f.name for f in fields} | set(contract.key):
        _check_columnar(contract, name, where)
    released = {f.name: f.mask for f in fields}
    apart = all(name in released and released[name].keeps_keys_apart for name in contract.key)
    return View(
        resource=contract.id,
        fields=tuple(fields),
        raw_key=tuple((name, contract.by_name[name].type) for name in contract.key),
        where=_where(contract, grant, released, f"{where}: where"),
        key_mode="fields" if apart else "token",
        before=grant.before,
        release_time=grant.release_time,
        valid=grant.valid,
    )


def _check_resource(contract: Contract, grant: Grant, where: str) -> None:
    if grant.resource != contract.id:
        _refuse(
            f"{where}: resource",
            f"the grant is on '{grant.resource}', the contract is of '{contract.id}'.",
            f"授权资源为 '{grant.resource}', 而契约属于 '{contract.id}'。",
        )
    if contract.resource.sharing == "refused":
        _refuse(
            f"{where}: resource",
            f"'{contract.id}' is not shared ({contract.resource.basis}).",
            f"'{contract.id}' 属于不予共享类({contract.resource.basis})。",
        )
    if grant.audience != "government" and not contract.resource.open:
        _refuse(
            f"{where}: audience",
            f"'{contract.id}' is not open; only government may subscribe.",
            f"'{contract.id}' 未开放, 仅政务部门可订阅。",
        )


def _check_columnar(contract: Contract, name: str, where: str) -> None:
    avro = contract.by_name[name].type
    if avro == "null" or (isinstance(avro, list) and len(avro) == 1):
        _refuse(
            f"{where}: fields.{name}",
            f"the contract gives '{name}' the type null or a union of one type, which cannot be released; "
            "its provider must write the type itself.",
            f"契约中 '{name}' 的类型为 null 或仅含一种类型的联合, 无法放行; 请提供部门直接写出类型。",
        )


def _mask(field: ContractField, use: MaskUse, where: str) -> Mask:
    kind = MASKS.get(use.mask)
    if kind is None:
        near = difflib.get_close_matches(use.mask, MASKS, n=1)
        odd = full_width_in(use.mask)
        known = ", ".join(MASKS)
        hint = Text(f"Known masks: {known}.", f"可用的脱敏方式: {known}。")
        if near:
            hint = Text(f"Did you mean '{near[0]}'?", f"是否为 '{near[0]}'?")
        elif odd:
            hint = Text(
                f"It holds full-width punctuation {odd}; write {half_width(odd)}.",
                f"含全角标点 {odd}, 请改为 {half_width(odd)}。",
            )
        raise ConfigError(Text(f"unknown mask '{use.mask}'.", f"未知的脱敏方式 '{use.mask}'。"), where=where, hint=hint)
    if not kind.suits(without_null(field.type)):
        _refuse(
            where,
            f"the mask '{use.mask}' does not suit the field's type.",
            f"脱敏方式 '{use.mask}' 不适用于该字段类型。",
        )
    try:
        mask = kind.model_validate(use.params)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join([where, *(str(p) for p in first["loc"])])
        reason = first["msg"].removeprefix("Value error, ")
        raise ConfigError(Text(f"{use.mask}: {reason}.", f"{use.mask}: {reason}。"), where=place) from error
    _check_permitted(field, mask, where)
    return mask


def _check_permitted(field: ContractField, mask: Mask, where: str) -> None:
    """The provider's floor: the mask is on the field's list, and its parameters are within the bounds given there."""
    if field.masks is None or mask.name == "drop":
        return
    same = [p for p in field.masks if p.mask.replace("-", "_") == mask.name]
    if not same:
        allowed = ", ".join(dict.fromkeys(p.mask for p in field.masks))
        _refuse(
            where,
            f"the contract does not permit '{mask.name}' on '{field.name}'; it permits: {allowed}.",
            f"契约不允许对 '{field.name}' 使用 '{mask.name}'; 允许: {allowed}。",
        )
    outside = [_outside(p, mask) for p in same]
    if all(o is not None for o in outside):
        parameter, bound = next(o for o in outside if o is not None)
        _refuse(
            f"{where}.{parameter}",
            f"outside what the contract permits for '{mask.name}': {bound}.",
            f"超出契约对 '{mask.name}' 的限定: {bound}。",
        )


def _outside(permitted: PermittedMask, mask: Mask) -> tuple[str, str] | None:
    """The first parameter outside its bounds, and the bounds; None if all are within."""
    values = mask.model_dump()
    for name, bound in permitted.bounds.items():
        if name not in values:
            return name, "unknown parameter in the contract"
        value: Any = values[name]
        listed = list(value) if isinstance(value, tuple) else value
        if bound.one_of is not None and listed not in bound.one_of:
            return name, f"one of {bound.one_of}"
        for number in value if isinstance(value, tuple) else (value,):
            if bound.min is not None and not number >= bound.min:
                return name, f"at least {bound.min:g}"
            if bound.max is not None and not number <= bound.max:
                return name, f"at most {bound.max:g}"
    return None


def _where(contract: Contract, grant: Grant, released: dict[str, Mask], where: str) -> Predicate | None:
    if grant.where is None:
        return None
    predicate = parse_where(grant.where, {f.name: f.type for f in contract.fields}, where)
    for path in sorted(fields_of(predicate)):
        mask = released.get(path[0])
        if not contract.by_name[path[0]].filterable and (mask is None or mask.name != "pass"):
            _refuse(
                where,
                f"filtering on '{path[0]}' would reveal it: it is neither granted as 'pass' nor declared filterable.",
                f"按 '{path[0]}' 过滤会泄露其内容: 该字段既未以 'pass' 授权, 也未声明可过滤。",
            )
    _try_out(predicate, contract, where)
    return predicate


def _try_out(predicate: Predicate, contract: Contract, where: str) -> None:
    """Run the filter over no row: what cannot be computed is refused now, not failed on every row later."""
    names = {path[0] for path in fields_of(predicate)}
    layout = pa.struct([pa.field(n, arrow_type(contract.by_name[n].type)) for n in sorted(names)])
    no_rows: Any = pa.array([], layout)
    try:
        truth(predicate, no_rows)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ConfigError(Text("the filter cannot be computed.", "过滤条件无法计算。"), where=where) from error


def _unknown_field(contract: Contract, name: str, where: str) -> NoReturn:
    near = difflib.get_close_matches(name, contract.by_name, n=1)
    odd = full_width_in(name)
    hint = Text(f"Did you mean '{near[0]}'?", f"是否为 '{near[0]}'?") if near else None
    if odd:
        hint = Text(
            f"It holds full-width punctuation {odd}; write {half_width(odd)}.",
            f"含全角标点 {odd}, 请改为 {half_width(odd)}。",
        )
    raise ConfigError(
        Text(f"'{contract.id}' has no field '{name}'.", f"'{contract.id}' 没有字段 '{name}'。"),
        where=f"{where}: fields.{name}",
        hint=hint,
    )


def _refuse(where: str, en: str, zh: str) -> NoReturn:
    raise ConfigError(Text(en, zh), where=where)
