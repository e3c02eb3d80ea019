"""`bus preview` without --json: a person sees what goes in, by which mask, and what comes out, or why nothing does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.bus.preview_facts import REASONS, SHORT, EventShown, FieldShown, event_shown
from infra.bus.preview_shown import Summary
from schemas.contract import Contract, parse_contract
from schemas.grant import MAX_WHERE, Grant, parse_grant
from stream_apps.policy import PREVIEW_KEY, Failure, Outcome, ViewKeys, preview
from stream_apps.policy.where.parse import MAX_DEPTH
from tests.infra.bus.command import bus
from tests.infra.control.world import contract_source, grant_document

NESTED: list[dict[str, Any]] = [
    {"name": "district", "type": ["null", "string"], "default": "云岩区", "filterable": True, "doc": "区县"},
    {
        "name": "home",
        "type": {
            "type": "record",
            "name": "Home",
            "fields": [{"name": "street", "type": "string", "doc": "街道"}, {"name": "no", "type": "int"}],
        },
        "default": {"street": "中华路", "no": 1},
    },
    {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
]
FIELDS: dict[str, Any] = {
    "uscc": "pass",
    "person": "drop",
    "home.street": {"mask": "partial", "keep_first": 1},
    "tags[]": {"mask": "constant", "value": "*"},
}
WHERE = "district = '云岩区'"


def source() -> dict[str, Any]:
    plain = contract_source("w.r")
    plain["fields"] += NESTED
    return plain


def granted(**changes: Any) -> Grant:
    return parse_grant(grant_document("w", **{"fields": FIELDS, "where": WHERE, **changes}))


def shown(*lines: str, grant: Grant | None = None) -> list[EventShown]:
    contract: Contract = parse_contract(source())
    grant = grant or granted()
    answers = preview(contract, grant, lines, keys=ViewKeys(PREVIEW_KEY, grant.id))
    return [event_shown(contract, grant, line, answer) for line, answer in zip(lines, answers, strict=True)]


def line(op: str, before: Any = None, after: Any = None) -> str:
    return json.dumps({"op": op, "before": before, "after": after})


ROW = {"uscc": "A", "name": "n", "person": "王小明", "tags": ["x", "y"]}
OUT = {**ROW, "district": "白云区"}


def test_each_field_shows_value_mask_and_what_is_released() -> None:
    [event] = shown(line("c", None, ROW))
    assert (event.came, event.went, event.why) == ("c", (("c", '{"uscc": "A"}'),), None)
    [row] = event.rows
    assert row.fields == (
        FieldShown("uscc", "", "A", "pass", "A", "same"),
        FieldShown("name", "", "n", None, None, "not_granted"),
        FieldShown("person", "", "王小明", "drop", None, "not_granted"),
        FieldShown("district", "区县", "云岩区", None, None, "not_granted"),
        FieldShown("home.street", "街道", "中华路", "{mask: partial, keep_first: 1}", "中**", "changed"),
        FieldShown("home.no", "", "1", None, None, "not_granted"),
        FieldShown("tags[]", "", '["x", "y"]', "{mask: constant, value: '*'}", '["*", "*"]', "changed"),
    )


def test_an_event_that_releases_no_row_says_why_and_names_the_filter() -> None:
    filtered, left, missing, deleted = shown(
        line("c", None, OUT), line("u", ROW, OUT), line("u", None, OUT), line("d", ROW)
    )
    assert filtered.why is not None
    assert filtered.why.en.endswith(WHERE)
    assert filtered.why.zh.endswith(WHERE)
    assert [op for op, _ in left.went] == ["d"]
    assert left.why is not None
    assert "its delete is released" in left.why.en
    assert missing.why == REASONS["missing_before"]
    assert (deleted.why, [r.side for r in deleted.rows]) == (None, ["before"])
    assert {f.state for f in filtered.rows[0].fields} == {"not_granted", "nothing"}
    assert all(f.released is None for f in filtered.rows[0].fields)


def test_of_a_filter_the_conditions_that_were_not_true_are_told_and_which_were_unknown() -> None:
    grant = granted(where=f"{WHERE} AND uscc BETWEEN 'A' AND 'C' AND district <> 'x'")
    other, null, both = shown(
        line("c", None, {**OUT, "uscc": "B"}),
        line("d", {**ROW, "district": None}),
        line("u", {**OUT, "uscc": "D"}, {**OUT, "uscc": "D"}),
        grant=grant,
    )
    assert other.why is not None
    assert other.why.en == f"{REASONS['filtered'].en}: not true: {WHERE}"
    assert null.why is not None
    assert null.why.zh == f"{REASONS['filtered'].zh}: 因空值而未知: {WHERE}; 因空值而未知: district <> 'x'"
    assert both.why is not None
    assert both.why.en.endswith(f": not true: {WHERE}; not true: uscc BETWEEN 'A' AND 'C'")


def test_the_longest_filter_there_may_be_is_told_too() -> None:
    long = f"district IN ('{'x' * (MAX_WHERE - 16)}')"
    deep = "(" * MAX_DEPTH + WHERE + ")" * MAX_DEPTH
    for where in (long, deep):
        [event] = shown(line("c", None, OUT), grant=granted(where=where))
        assert event.why is not None
        assert event.why.en.endswith(where)


@pytest.mark.parametrize(
    ("fields", "masks"),
    [
        ({"home": "pass"}, {"home.street": "pass", "home.no": "pass"}),
        ({"home": "drop"}, {"home": "drop"}),
        ({"home": "null"}, {"home": "null"}),
        ({"uscc": "pass"}, {"home.street": None, "home.no": None}),
    ],
)
def test_a_record_passed_or_not_granted_as_a_whole_is_shown_by_its_members(
    fields: dict[str, Any], masks: dict[str, Any]
) -> None:
    [event] = shown(line("c", None, ROW), grant=granted(fields={"uscc": "pass", **fields}))
    found = {f.field: f.mask for f in event.rows[0].fields if f.field.startswith("home")}
    assert found == masks
    if "pass" in masks.values():
        assert [f.released for f in event.rows[0].fields if f.field.startswith("home")] == ["中华路", "1"]


def test_the_row_as_it_was_is_shown_where_the_grant_releases_it() -> None:
    update = line("u", ROW, {**ROW, "uscc": "A", "tags": []})
    [event] = shown(update, grant=granted(before=True))
    assert [(r.side, r.fields[-1].released) for r in event.rows] == [("before", '["*", "*"]'), ("after", "[]")]
    assert [r.side for r in shown(update)[0].rows] == ["after"]


def test_the_companion_of_a_pseudonym_is_shown_beside_it() -> None:
    grant = granted(fields={"uscc": "pass", "person": {"mask": "pseudonym", "previous": True}})
    [event] = shown(line("c", None, ROW), grant=grant)
    last = event.rows[0].fields[-1]
    assert (last.field, last.raw, last.mask) == ("_previous_person", None, "{mask: pseudonym, previous: true}")


@pytest.mark.parametrize(
    ("text", "en", "zh"),
    [
        ("{", "not a line of JSON", "不是一行 JSON"),
        ('{"op": "x"}', "op: expected c, u, d or r", "op: 须为 c、u、d 或 r"),
        ('{"op": "c"}', "neither before nor after", "before 与 after 均缺失"),
        ('{"op": "c", "after": 1}', "after: expected an object or null", "after: 须为对象或 null"),
        (line("d", {"uscc": 1}), "before: field uscc: expected string", "before: 字段 uscc: 须为 string"),
        (line("c", None, {}), "field uscc: missing", "字段 uscc: 缺失"),
        (line("c", None, {"uscc": "\ud800"}), "key: a value does not fit its field", "key: 值超出字段可容纳的范围"),
    ],
)
def test_a_line_that_is_no_event_says_so_in_both_languages(text: str, en: str, zh: str) -> None:
    [event] = shown(text)
    assert (event.came, event.went, event.rows) == (None, (), ())
    assert event.why is not None
    assert event.why.en == f"not an event of the contract: {en}"
    assert event.why.zh == f"不是符合契约的事件: {zh}"


def test_every_reason_the_policy_has_is_told_in_both_languages() -> None:
    of_policy = {Outcome.FILTERED.word, Outcome.UNCHANGED.word, Outcome.NOT_VALID.word, *(f.value for f in Failure)}
    assert set(REASONS) == set(SHORT) == of_policy | {"invalid"}
    assert all(text.en and text.zh and text.en != text.zh for text in REASONS.values())


def test_a_summary_counts_the_withheld_by_reason() -> None:
    summary = Summary()
    for reason in (None, "filtered", "filtered", "invalid: op: expected c, u, d or r"):
        summary.add({"n": 0, "emitted": [], "reason": reason})
    assert summary.text().en == "4 events: 1 released, 3 withheld (filtered 2, invalid 1)."
    assert summary.text().zh == "共 4 条事件: 放行 1 条, 未放行 3 条(不满足过滤条件 2, 不符合契约 1)。"


def test_a_released_delete_of_a_faulty_event_is_counted_as_released_and_as_a_fault() -> None:
    summary = Summary()
    summary.add({"n": 0, "emitted": [{"op": "d"}], "reason": "missing_before"})
    assert summary.text().en == (
        "1 event: 1 released; of the released, 1 only as the delete of a faulty event (missing_before 1)."
    )
    summary.add({"n": 1, "emitted": [], "reason": "inconsistent"})
    assert summary.text().zh == (
        "共 2 条事件: 放行 1 条, 未放行 1 条(自相矛盾 1); 其中 1 条因事件有误仅放行删除(缺少变更前的行 1)。"
    )


def command(folder: Path, lines: list[str], *more: object) -> str:
    (folder / "c.avsc").write_text(json.dumps(source()), encoding="utf-8")
    document = grant_document("w", fields=FIELDS, where=WHERE)
    (folder / "g.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    (folder / "e.jsonl").write_text("".join(text + "\n" for text in lines), encoding="utf-8")
    files = ("--contract", folder / "c.avsc", "--grant", folder / "g.yaml", "--events", folder / "e.jsonl")
    done = bus("preview", *files, *more, home=folder / "nowhere")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


GOLDEN = """\
event 0: c → c key {"uscc": "A"}
field\tmeaning\tvalue\tmask\treleased
uscc\t\tA\tpass\tA
name\t\tn\tnot granted\t
person\t\t王小明\tdrop\t
district\t区县\t云岩区\tnot granted\t
home.street\t街道\t中华路\t{mask: partial, keep_first: 1}\t中**
home.no\t\t1\tnot granted\t
tags[]\t\t["x", "y"]\t{mask: constant, value: '*'}\t["*", "*"]

not shown: 1 more (--limit).
2 events: 1 released, 1 withheld (filtered 1).
"""


def test_where_nobody_watches_it_is_lines_with_tabs(tmp_path: Path) -> None:
    assert command(tmp_path, [line("c", None, ROW), line("c", None, OUT)], "--limit", 1) == GOLDEN


def test_more_than_one_chunk_of_lines_is_counted_and_twenty_are_shown(tmp_path: Path) -> None:
    out = command(tmp_path, [line("c", None, ROW), line("c", None, OUT)] * 600, "--lang", "zh")
    assert out.count("\n事件 ") + out.startswith("事件 ") == 20
    assert "另有 1180 条事件未显示(--limit)。" in out
    assert out.endswith("共 1200 条事件: 放行 600 条, 未放行 600 条(不满足过滤条件 600)。\n")


def test_nothing_of_a_sample_acts_on_the_terminal(tmp_path: Path) -> None:
    odd = "\x1b[31m\u202e\tx\ny"
    out = command(tmp_path, [line("c", None, {**ROW, "uscc": odd, "name": odd, "tags": [odd]})])
    assert not set(out) & {"\x1b", "\u202e"}
    assert "uscc\t\t\\u001b[31m\\u202e\\tx\\ny\tpass\t\\u001b[31m\\u202e\\tx\\ny\n" in out
    assert 'key {"uscc": "\\u001b[31m\\u202e\\tx\\ny"}\n' in out


def test_the_help_says_that_samples_should_be_generated(tmp_path: Path) -> None:
    told = " ".join(bus("preview", "--help", home=tmp_path).stdout.split())
    assert "generated rows" in told
    assert "--limit" in told
