"""What a new version of a contract protects less than the one in force: such a change needs its provider's signature.

Counted: a lower class (`level`, `personal`), more masks or looser bounds, a looser sharing attribute, a field that may
be filtered on, a secrecy marking lowered or gone, another `format`, `concept` or `subject` (rules and joint judgement go by
them), `before: never` (deletes then tell of rows that never were in a view), another provider (who signs the next change),
and a protected field that is gone, because its data may come back under another name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from schemas.contract import Bound, Contract, ContractField, Level, PermittedMask, Personal, Sharing
from schemas.paths import path_text
from schemas.text import Text

_ORDER: dict[str, int] = {
    word: rank for kind in (Level, Personal) for rank, word in enumerate(get_args(kind))
}  # fmt: skip
_SHARING: tuple[str, ...] = ("refused", "conditional", "unconditional")
assert set(_SHARING) == set(get_args(Sharing))
_INTERNAL = ("internal", "内部")


def weakened(old: Contract, new: Contract) -> list[Text]:
    """Everything `new` protects less than `old`, one line each; empty if it protects all at least as well."""
    out = list(_resource(old, new))
    for path, before in old.places.items():
        after = new.places.get(path)
        place = path_text(path)
        if after is not None:
            out += _field(place, before, after)
        elif _protected(before):
            out.append(Text(f"{place}: gone, and its protection with it", f"{place}: 字段已删除, 其保护随之失去"))
    return out


def _resource(old: Contract, new: Contract) -> Iterator[Text]:
    was, now = old.resource, new.resource
    if was.provider != now.provider:
        yield _changed("provider", was.provider, now.provider)
    if _SHARING.index(now.sharing) > _SHARING.index(was.sharing):
        yield _changed("sharing", was.sharing, now.sharing)
    if now.open and not was.open:
        yield _changed("open", "false", "true")
    if _marked(now.secrecy) < _marked(was.secrecy):
        yield _changed("secrecy", was.secrecy, now.secrecy)
    if was.subject is not None and was.subject != now.subject:
        yield _changed("subject", was.subject, now.subject)
    if now.before == "never" != was.before:
        yield _changed("before", was.before, now.before)


def _field(place: str, was: ContractField, now: ContractField) -> Iterator[Text]:
    for attribute, before, after in (("level", was.level, now.level), ("personal", was.personal, now.personal)):
        if _ORDER[after] < _ORDER[before]:
            yield _changed(f"{place}.{attribute}", before, after)
    if now.filterable and not was.filterable:
        yield _changed(f"{place}.filterable", "false", "true")
    if _marked(now.secrecy) < _marked(was.secrecy):
        yield _changed(f"{place}.secrecy", was.secrecy, now.secrecy)
    if was.format is not None and was.format != now.format:
        yield _changed(f"{place}.format", was.format, now.format)
    if (was.concept or was.name) != (now.concept or now.name):
        yield _changed(f"{place}.concept", was.concept or was.name, now.concept or now.name)
    if was.masks is not None:
        yield from _masks(place, was.masks, now.masks)


def _masks(place: str, was: tuple[PermittedMask, ...], now: tuple[PermittedMask, ...] | None) -> Iterator[Text]:
    if now is None:
        yield Text(f"{place}.masks: any mask may be used", f"{place}.masks: 不再限制脱敏方式")
    for permitted in now or ():
        if permitted.mask != "drop" and not any(_covers(old, permitted) for old in was):
            yield Text(
                f"{place}.masks: {_words(permitted)} is new or looser", f"{place}.masks: {_words(permitted)} 新增或放宽"
            )


def _covers(old: PermittedMask, new: PermittedMask) -> bool:
    """Whether all that `new` permits was permitted by `old`."""
    same = old.mask.replace("-", "_") == new.mask.replace("-", "_")
    return same and all(_within(new.bounds.get(name, Bound()), bound) for name, bound in old.bounds.items())


def _within(inner: Bound, outer: Bound) -> bool:
    listed = inner.one_of
    if outer.one_of is not None and (listed is None or any(value not in outer.one_of for value in listed)):
        return False
    low = outer.min is None or (inner.min is not None and inner.min >= outer.min)
    high = outer.max is None or (inner.max is not None and inner.max <= outer.max)
    return (low or _all_numbers(listed, lambda n: n >= outer.min)) and (
        high or _all_numbers(listed, lambda n: n <= outer.max)
    )


def _all_numbers(listed: list[Any] | None, fits: Any) -> bool:
    return listed is not None and all(isinstance(n, (int, float)) and fits(n) for n in listed)


def _protected(field: ContractField) -> bool:
    classified = _ORDER[field.level] > 0 or _ORDER[field.personal] > 0
    return classified or field.masks is not None or _marked(field.secrecy) > 0


def _marked(secrecy: str | None) -> int:
    """How much a marking says: none at all, that it is no secret, that it is internal."""
    return 0 if secrecy is None else 2 if secrecy.lower() in _INTERNAL else 1


def _changed(place: str, was: object, now: object) -> Text:
    return Text(f"{place}: {was} -> {now or 'none'}", f"{place}: {was} -> {now or '无'}")


def _words(permitted: PermittedMask) -> str:
    bounds = [f"{name} {bound.model_dump(exclude_none=True)}" for name, bound in permitted.bounds.items()]
    return ", ".join([permitted.mask, *bounds])
