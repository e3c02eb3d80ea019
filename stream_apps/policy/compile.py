"""Grant + newest contract -> view, or a refusal that names the place, the reason and the way out."""

from __future__ import annotations

from typing import Any, NoReturn

import pyarrow as pa

from schemas.codec import arrow_type
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant
from schemas.paths import parse_path
from schemas.text import Text
from stream_apps.policy.mask_tree import Granted, mask_of
from stream_apps.policy.masks import Mask
from stream_apps.policy.masks.nested import released_type
from stream_apps.policy.masks.pseudonym import PreviousToken, Token
from stream_apps.policy.view import View, ViewField
from stream_apps.policy.where import Predicate, fields_of, parse_where, truth


def compile_view(contract: Contract, grant: Grant, where: str = "grant") -> View:
    """The view `grant` gives on its resource under `contract` (the newest). `where` names the grant in errors.

    Raises ConfigError if the grant may not be: another or a refused resource, an audience the resource is not open to, an
    unknown field or mask, a mask the contract does not permit there, a filter that is wrong or would reveal a field.
    """
    _check_resource(contract, grant, where)
    granted = Granted(contract, grant, where)
    fields: list[ViewField] = []
    for field in contract.fields:
        mask = mask_of(granted, field)
        if mask is not None:
            fields.append(ViewField(field.name, mask, released_type(mask, field.type), field.name))
            fields += _previous(granted, field.name, mask)
    if not fields:
        _refuse(
            f"{where}: fields",
            "every field is dropped; the grant releases nothing.",
            "所有字段均被去除, 授权不放行任何内容。",
        )
    for name in {f.source for f in fields} | set(contract.key):
        _check_columnar(contract, name, where)
    released = {f.name: f.mask for f in fields}
    apart = all(name in released and released[name].keeps_keys_apart for name in contract.key)
    return View(
        resource=contract.id,
        fields=tuple(fields),
        raw_key=tuple((name, contract.by_name[name].type) for name in contract.key),
        where=_where(contract, grant, f"{where}: where"),
        key_mode="fields" if apart else "token",
        before=grant.before,
        before_image=contract.resource.before,
        release_time=grant.release_time,
        valid=grant.valid,
    )


def _previous(granted: Granted, name: str, mask: Mask) -> list[ViewField]:
    """The companion of a pseudonym that is to show the token of before a rotation as well."""
    use = granted.grant.fields.get(name)
    if not isinstance(mask, Token) or use is None or not use.params.get("previous"):
        return []
    old = PreviousToken(token=mask)
    return [ViewField(f"_previous_{name}", old, ["null", "string"], name)]


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


def _where(contract: Contract, grant: Grant, where: str) -> Predicate | None:
    if grant.where is None:
        return None
    predicate = parse_where(grant.where, {f.name: f.type for f in contract.fields}, where)
    passed = {parse_path(text) for text, use in grant.fields.items() if use.mask == "pass"}
    for path in sorted(fields_of(predicate)):
        shown = any(path[: n + 1] in passed for n in range(len(path)))
        if not shown and not contract.places[path].filterable:
            name = ".".join(path)
            _refuse(
                where,
                f"filtering on '{name}' would reveal it: it is neither granted as 'pass' nor declared filterable.",
                f"按 '{name}' 过滤会泄露其内容: 该字段既未以 'pass' 授权, 也未声明可过滤。",
            )
    _try_out(predicate, contract, where)
    return predicate


def _try_out(predicate: Predicate, contract: Contract, where: str) -> None:
    """Run the filter over no row: what cannot be computed is refused now, not failed on every row later."""
    names = {path[0] for path in fields_of(predicate)}
    layout = pa.struct([pa.field(n, arrow_type(contract.by_name[n].type)) for n in sorted(names)])
    no_rows: Any = pa.nulls(0, layout)
    try:
        truth(predicate, no_rows)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ConfigError(Text("the filter cannot be computed.", "过滤条件无法计算。"), where=where) from error


def _refuse(where: str, en: str, zh: str) -> NoReturn:
    raise ConfigError(Text(en, zh), where=where)
