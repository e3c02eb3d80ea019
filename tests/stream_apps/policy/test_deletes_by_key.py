"""A record that cannot be decoded leaves its Kafka key: enough for the delete of its row, and for nothing else."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.change_event import change_event_schema
from schemas.codec import arrow_schema, codec_for
from schemas.contract import parse_contract
from schemas.grant import parse_grant
from schemas.keys import key_text
from stream_apps.policy import View, ViewKeys, compile_view, delete_for_keys, evaluate
from tests.schemas.contracts import avro_contract, grant_document

CONTRACT = parse_contract(
    avro_contract(
        resource={"key": ["on", "no", "id"]},
        fields=[
            {"name": "id", "type": "string"},
            {"name": "no", "type": "long"},
            {"name": "on", "type": {"type": "int", "logicalType": "date"}},
            {"name": "name", "type": ["null", "string"]},
        ],
    )
)
LAYOUT = pa.schema([f.with_nullable(True) for f in arrow_schema(change_event_schema(CONTRACT))])
KEYS = ViewKeys(b"p" * 32, "g")
AT = 1_793_500_000_000
VIEWS = {
    "passed": {"id": "pass", "no": "pass", "on": "pass"},
    "pseudonymised": {"id": "pseudonym", "no": "pseudonym", "on": "pass", "name": "pass"},
    "token": {"name": "pass"},
}


def view(name: str, *, before: bool = False) -> View:
    return compile_view(CONTRACT, parse_grant(grant_document(fields=VIEWS[name], before=before)))


KEY = st.fixed_dictionaries(
    {
        "on": st.dates(),
        "no": st.integers(-(1 << 63), (1 << 63) - 1),
        "id": st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("|\\"), max_size=6),
    }
)


@given(rows=st.lists(KEY, min_size=1, max_size=4), name=st.sampled_from(list(VIEWS)), before=st.booleans())
def test_the_delete_of_a_key_text_is_keyed_as_the_row_was(rows: list[dict[str, Any]], name: str, before: bool) -> None:
    rest = dict.fromkeys(("before", "event_id", "source", "position", "occurred_at", "published_at"))
    events = [{"op": "c", "key": r, "after": {**r, "name": None}} | rest for r in rows]
    compiled = view(name, before=before)
    created = evaluate(compiled, pa.RecordBatch.from_pylist(events, schema=LAYOUT), keys=KEYS, at_ms=AT)
    texts = [key_text([r["on"], r["no"], r["id"]]) for r in rows]
    deleted = delete_for_keys(compiled, texts, keys=KEYS, at_ms=AT)
    assert deleted.kafka_keys.equals(created.kafka_keys)
    assert deleted.events.column("key").equals(created.events.column("key"))
    assert deleted.deletes.all()
    assert {(e["op"], e["after"], e.get("before")) for e in deleted.events.to_pylist()} == {("d", None, None)}
    codec_for(compiled.schema, 1).encode(deleted.events)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31|1",
        "2026-01-31|1|a|b",
        "20260131|1|a",
        "2026-W05-6|1|a",
        "2026-02-30|1|a",
        "2026-01-31|01|a",
        "2026-01-31|+1|a",
        "2026-01-31| 1|a",
        "2026-01-31|1_0|a",
        "2026-01-31|１|a",
        "2026-01-31|-0|a",
        "2026-01-31|9223372036854775808|a",
        "2026-01-31|" + "9" * 5000 + "|a",
        "2026-01-31|1|a\\",
        "2026-01-31|1|\\a",
        "2026-01-31|1|\ud800",
    ],
)
@pytest.mark.parametrize("name", list(VIEWS))
def test_a_text_that_only_resembles_a_key_is_no_key_and_the_error_does_not_tell_it(text: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"^not a key of this resource$"):
        delete_for_keys(view(name), [text], keys=KEYS, at_ms=AT)


def test_no_text_makes_no_delete() -> None:
    assert len(delete_for_keys(view("token"), [], keys=KEYS, at_ms=AT).events) == 0
