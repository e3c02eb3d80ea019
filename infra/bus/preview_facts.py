"""One previewed event for a person, as plain data: field by field what came in, the mask, what goes out; and why nothing does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from schemas.avro_types import AvroType, primitive, without_null
from schemas.contract import Contract
from schemas.errors import ConfigError
from schemas.grant import Grant, MaskUse
from schemas.paths import ITEMS, KEYS, Path, parse_path, path_text
from schemas.text import Text
from stream_apps.policy import PREVIEW_KEY, ViewKeys, preview
from stream_apps.policy.preview import fault_of
from stream_apps.policy.where.parts import conditions

State = Literal["same", "changed", "not_granted", "nothing"]
"""nothing: the field is granted, but of this event no row is released."""

NOT_GRANTED = Text("not granted", "未授权")

REASONS: Mapping[str, Text] = {
    "filtered": Text("the row does not meet the grant's filter", "不满足授权的行过滤条件"),
    "unchanged": Text("no released field changed", "放行字段均无变化"),
    "not_valid": Text(
        "outside the grant's validity, or its key may no longer be used", "不在授权有效期内, 或密钥已到期"
    ),
    "inconsistent": Text(
        "the event contradicts itself: no row where its operation needs one, or a key that is not its row's",
        "事件自相矛盾: 操作所需的行缺失, 或主键与行不符",
    ),
    "missing_before": Text(
        "an update without the row as it was, and the row as it is does not meet the filter: it may have been released, so "
        "its delete is",
        "更新事件缺少变更前的行, 且变更后不满足过滤条件: 该行可能已放行, 故放行其删除",
    ),
    "filter_failed": Text("the filter could not be computed for this row", "该行无法计算过滤条件"),
    "mask_failed": Text("a mask cannot take a value of this row", "该行有值无法脱敏"),
    "invalid": Text("not an event of the contract", "不是符合契约的事件"),
}
"""Every reason of a preview, in words. What follows `invalid: ` is told beside it."""

LEFT = Text(
    "the row as it is does not meet the grant's filter, so its delete is released",
    "变更后的行不再满足授权的行过滤条件, 故放行其删除",
)
"""Of an update that took a row out of the view: nothing is wrong, but no row is released either."""

SHORT: Mapping[str, Text] = {
    "filtered": Text("filtered", "不满足过滤条件"),
    "unchanged": Text("unchanged", "无变化"),
    "not_valid": Text("not_valid", "不在有效期"),
    "inconsistent": Text("inconsistent", "自相矛盾"),
    "missing_before": Text("missing_before", "缺少变更前的行"),
    "filter_failed": Text("filter_failed", "无法计算过滤条件"),
    "mask_failed": Text("mask_failed", "无法脱敏"),
    "invalid": Text("invalid", "不符合契约"),
}
"""The same for a summary; in English the words of the JSON form."""


@dataclass(frozen=True, slots=True)
class FieldShown:
    """raw, released: as text for people; None where there is none. mask: as the grant writes it, None if not granted."""

    field: str
    doc: str
    raw: str | None
    mask: str | None
    released: str | None
    state: State


@dataclass(frozen=True, slots=True)
class RowShown:
    """The row as it was (`before`) or is, by field."""

    side: Literal["before", "after"]
    fields: tuple[FieldShown, ...]


@dataclass(frozen=True, slots=True)
class EventShown:
    """came: the operation of the sample, None if it is no event. went: what is released, each operation with its view key."""

    n: int
    came: str | None
    went: tuple[tuple[str, str], ...]
    why: Text | None
    rows: tuple[RowShown, ...]


def reason_word(reason: str) -> str:
    """The key of `REASONS` for the reason of an answer."""
    return reason.partition(":")[0]


def event_shown(contract: Contract, grant: Grant, line: str, answer: Mapping[str, Any]) -> EventShown:
    """One input line beside its answer."""
    emitted = answer["emitted"]
    went = tuple((e["op"], json.dumps(e["key"], ensure_ascii=False)) for e in emitted)
    fault = fault_of(contract, line)
    if fault is not None:
        words = REASONS["invalid"]
        return EventShown(answer["n"], None, went, Text(f"{words.en}: {fault.en}", f"{words.zh}: {fault.zh}"), ())
    event = json.loads(line)
    left = event["op"] == "u" and {op for op, _ in went} == {"d"}
    why = LEFT if left else None
    if answer["reason"] is not None:
        why = _why(answer["reason"], contract, grant, event)
    return EventShown(answer["n"], event["op"], went, why, tuple(_rows(contract, grant, event, emitted)))


def _why(reason: str, contract: Contract, grant: Grant, event: Mapping[str, Any]) -> Text:
    words = REASONS[reason_word(reason)]
    if reason != "filtered" or grant.where is None:
        return words
    row = event["before"] if event.get("after") is None else event["after"]
    told = list(_untrue(contract, grant, row))
    return Text(f"{words.en}: {'; '.join(t.en for t in told)}", f"{words.zh}: {'; '.join(t.zh for t in told)}")


def _untrue(contract: Contract, grant: Grant, row: Any) -> Iterator[Text]:
    """The conditions of the filter that are not true of a row, as they are written."""
    for condition in conditions(grant.where or ""):
        if _is_out(contract, grant, row, condition):
            unknown = _is_unknown(contract, grant, row, condition)
            yield Text(
                f"{'unknown, for a value is null' if unknown else 'not true'}: {condition}",
                f"{'因空值而未知' if unknown else '不成立'}: {condition}",
            )


def _is_unknown(contract: Contract, grant: Grant, row: Any, condition: str) -> bool:
    """Whether neither a condition that is not true nor its contrary is."""
    try:
        return _is_out(contract, grant, row, f"NOT ({condition})")
    except ConfigError:  # a filter as long or as deep as any may be has no room for a NOT
        return False


def _is_out(contract: Contract, grant: Grant, row: Any, where: str) -> bool:
    """Whether a new row would be withheld by another filter."""
    new = json.dumps({"op": "c", "before": None, "after": row})
    other = grant.model_copy(update={"where": where})
    # any key will do: it decides what a token is, not whether a row is released
    (answer,) = preview(contract, other, [new], keys=ViewKeys(PREVIEW_KEY, grant.id))
    return bool(answer["reason"] == "filtered")


def _rows(
    contract: Contract, grant: Grant, event: Mapping[str, Any], emitted: list[dict[str, Any]]
) -> Iterator[RowShown]:
    """The row as it is; that as it was where there is no other, or it is released too."""
    before = next((e["before"] for e in emitted if e["before"] is not None), None)
    after = next((e["after"] for e in emitted if e["after"] is not None), None)
    if event.get("before") is not None and (before is not None or event.get("after") is None):
        yield RowShown("before", tuple(_fields(contract, grant, event["before"], before)))
    if event.get("after") is not None:
        yield RowShown("after", tuple(_fields(contract, grant, event["after"], after)))


def _fields(
    contract: Contract, grant: Grant, raw: Mapping[str, Any], released: Mapping[str, Any] | None
) -> Iterator[FieldShown]:
    uses = {parse_path(text): use for text, use in grant.fields.items()}
    whole = {f.name: raw.get(f.name, f.default) for f in contract.fields}
    for field in contract.fields:
        for path, use in _shown_paths(contract, uses, (field.name,), None):
            yield _field(contract.places[path].doc, path, use, whole, released)
    for name in released or ():
        if name not in contract.by_name:  # the companion of a pseudonym
            assert released is not None
            own = name.removeprefix("_previous_")
            mask = mask_text(grant.fields[own])
            yield FieldShown(name, contract.by_name[own].doc, None, mask, text_of(released[name]), "changed")


def _shown_paths(
    contract: Contract, uses: Mapping[Path, MaskUse], path: Path, outer: MaskUse | None
) -> Iterator[tuple[Path, MaskUse | None]]:
    """The field itself and its mask, unless the grant addresses what is within it: then each part of that. A record that is
    passed or not granted as a whole is shown by its parts too, so that none of them hides behind the width of a screen."""
    use = uses.get(path, outer)
    within = any(len(other) > len(path) and other[: len(path)] == path for other in uses)
    open_ = (use is None or use.mask == "pass") and _holds_record(contract.places[path].type)
    if not (within or open_):
        yield path, use
        return
    for place in contract.places:
        if len(place) == len(path) + 1 and place[:-1] == path:
            yield from _shown_paths(contract, uses, place, use)


def _holds_record(avro: AvroType) -> bool:
    """Whether it is a record, or an array or a map of such."""
    avro = without_null(avro)
    if not isinstance(avro, dict):
        return False
    inner = avro.get("items", avro.get("values"))
    return primitive(avro) == "record" or (inner is not None and _holds_record(inner))


def _field(
    doc: str, path: Path, use: MaskUse | None, raw: Mapping[str, Any], released: Mapping[str, Any] | None
) -> FieldShown:
    came = text_of(_at(raw, path))
    if use is None:
        return FieldShown(path_text(path), doc, came, None, None, "not_granted")
    mask = mask_text(use)
    if use.mask == "drop":
        return FieldShown(path_text(path), doc, came, mask, None, "not_granted")
    if released is None:
        return FieldShown(path_text(path), doc, came, mask, None, "nothing")
    went = text_of(_at(released, path))
    state: State = "same" if use.mask == "pass" or went == came else "changed"
    return FieldShown(path_text(path), doc, came, mask, went, state)


def _at(value: Any, path: Path) -> Any:
    """What is at a path; of several items or entries a list of what is at each."""
    if not path or value is None:
        return value
    step, rest = path[0], path[1:]
    if step == KEYS:
        return list(value)
    if step == ITEMS:
        return [_at(item, rest) for item in (value.values() if isinstance(value, Mapping) else value)]
    return _at(value.get(step), rest)


def mask_text(use: MaskUse) -> str:
    """A mask as a grant writes it: `pass`, `{mask: partial, keep_first: 1}`."""
    if not use.params:
        return use.mask
    written = {"mask": use.mask, **use.params}
    text: str = yaml.safe_dump(written, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
    return text.strip()


def text_of(value: Any) -> str:
    """A value for people: text without quotes, unless it would look like another value."""
    if isinstance(value, str) and value not in ("", "null"):
        return value
    return json.dumps(value, ensure_ascii=False)
