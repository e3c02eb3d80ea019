"""What a subscriber would get: sample events through a contract and a grant, offline. What an approver looks at.

An input line is `{"op": "c|u|d|r", "before": {…}|null, "after": {…}|null}`; an output line is
`{"n": 0, "emitted": [{"op", "key", "before", "after"}], "reason": null | "…"}`, one for each, in order. Nothing emitted has
a reason, and so does a failure whose delete is emitted. Values are those of JSON; dates, times and decimals are text,
instants in Asia/Shanghai, bytes base64, and floats that are no number (`NaN`, `Infinity`) text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from schemas.change_event import change_event_schema
from schemas.clock import start_of_day_ms
from schemas.codec import arrow_schema, rows
from schemas.contract import Contract
from schemas.grant import Grant
from schemas.text import Text
from stream_apps.policy.compile import compile_view
from stream_apps.policy.evaluate import evaluate
from stream_apps.policy.keys import ViewKeys
from stream_apps.policy.released import Outcome, Released
from stream_apps.policy.row_columns import column
from stream_apps.policy.rows import InvalidRowError, typed_row
from stream_apps.policy.shown import shown_row
from stream_apps.policy.view import View

_CHUNK = 1000
_OPS = ("c", "u", "d", "r")


def preview(
    contract: Contract,
    grant: Grant,
    lines: Iterable[str],
    *,
    keys: ViewKeys,
    at_ms: int | None = None,
    where: str = "grant",
) -> Iterator[dict[str, Any]]:
    """The output line of every input line. ConfigError (before the first) if the grant may not be.

    at_ms  the time the release is judged at; by default the first moment of the grant's validity, because a preview
           judges what is released, not whether the day has come
    A line that is not an event of the contract emits nothing and says why; the run goes on.
    """
    view = compile_view(contract, grant, where)
    moment = start_of_day_ms(grant.valid.from_) if at_ms is None else at_ms
    return _run(contract, view, lines, keys, moment)


def fault_of(contract: Contract, line: str) -> Text | None:
    """Why a line is no event of the contract, in words; None if it is one. For people, who do not read JSON."""
    try:
        _batch(arrow_schema(change_event_schema(contract)), [_event(contract, line)])
    except InvalidRowError as error:
        return error.text
    return None


def _run(contract: Contract, view: View, lines: Iterable[str], keys: ViewKeys, at_ms: int) -> Iterator[dict[str, Any]]:
    layout = arrow_schema(change_event_schema(contract))
    numbered = iter(enumerate(lines))
    while chunk := list(islice(numbered, _CHUNK)):
        events: list[dict[str, Any]] = []
        answers: list[dict[str, Any]] = []
        place: dict[int, int] = {}
        for n, line in chunk:
            answers.append({"n": n, "emitted": [], "reason": None})
            try:
                event = _event(contract, line)
                _batch(layout, [event])
            except InvalidRowError as error:
                answers[-1]["reason"] = f"invalid: {error}"
            else:
                place[len(events)] = len(answers) - 1
                events.append(event)
        if events:
            released = evaluate(view, _batch(layout, events), keys=keys, at_ms=at_ms)
            _fill(view, answers, place, released)
        yield from answers


def _event(contract: Contract, line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        raise InvalidRowError("not a line of JSON", "不是一行 JSON") from None
    if not isinstance(event, dict) or event.get("op") not in _OPS:
        raise InvalidRowError("op: expected c, u, d or r", "op: 须为 c、u、d 或 r")
    out: dict[str, Any] = {"op": event["op"]}
    for side in ("before", "after"):
        row = event.get(side)
        if row is not None and not isinstance(row, dict):
            raise InvalidRowError(f"{side}: expected an object or null", f"{side}: 须为对象或 null")
        try:
            out[side] = None if row is None else typed_row(contract, row)
        except InvalidRowError as error:
            place = "" if side == "after" else "before: "
            raise InvalidRowError(f"{place}{error}", f"{place}{error.text.zh}") from None
    row = out["after"] if out["after"] is not None else out["before"]
    if row is None:
        raise InvalidRowError("neither before nor after", "before 与 after 均缺失")
    out["key"] = {name: row[name] for name in contract.key}
    return out


def _batch(layout: pa.Schema, events: list[dict[str, Any]]) -> pa.RecordBatch:
    """The events as the exchange would have decoded them; what only the wire carries is empty, and no policy looks at it.

    InvalidRowError if a value cannot be held by its field's column: half a character, a decimal with too many digits.
    """
    columns = []
    for field in layout:
        if field.name in ("op", "key", "before", "after"):
            columns.append(_column([e[field.name] for e in events], field))
        else:
            columns.append(pa.nulls(len(events), field.type))
    loose = pa.schema([f.with_nullable(True) for f in layout])
    return pa.RecordBatch.from_arrays(columns, schema=loose)


def _column(values: list[Any], field: Any) -> Any:
    try:
        return column(values, field.type)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):  # its text may hold the value
        raise InvalidRowError(
            f"{field.name}: a value does not fit its field", f"{field.name}: 值超出字段可容纳的范围"
        ) from None


def _fill(view: View, answers: list[dict[str, Any]], place: dict[int, int], released: Released) -> None:
    fields = {f.name: f.type for f in view.fields}
    for event, source in zip(rows(released.events), released.source.tolist(), strict=True):
        answers[place[source]]["emitted"].append(
            {
                "op": event["op"],
                "key": shown_row(event["key"], fields),
                "before": shown_row(event.get("before"), fields),
                "after": shown_row(event["after"], fields),
            }
        )
    failures = dict(released.failed)
    for row, outcome in enumerate(released.outcome.tolist()):
        if outcome == Outcome.FAILED:
            answers[place[row]]["reason"] = failures[row].value
        elif outcome != Outcome.EMITTED:
            answers[place[row]]["reason"] = Outcome(outcome).word
